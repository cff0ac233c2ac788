/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The memory of a call, copied behind its record as the copy plan says. */
#ifndef RETROGRADE_MEMORY_H
#define RETROGRADE_MEMORY_H

#include "records.h"

#define MAX_INLINE_IOVECS   64
#define MAX_INLINE_MESSAGES 32
#define MAX_INLINE_STRINGS  64
#define MAX_STRING	    4096

enum { FAULTED = 14 }; /* EFAULT, include/uapi/asm-generic/errno-base.h */
enum copy_result { COPY_OK = 0, COPY_FAULT = 1, COPY_NO_ROOM = 2 };

enum source { FROM_USER, FROM_USER_STRING, FROM_KERNEL_STRING };

/* Adds a segment: `keep` of `full` bytes at `address`. */
static __always_inline int add_segment(struct scratch *s, enum source source, u32 arg, u32 flags, u64 address, u64 full,
				       u64 keep)
{
	u32 offset = s->offset, length;
	struct rg_segment *segment;
	long error;

	if (offset > RG_SCRATCH_DATA - sizeof(struct rg_segment))
		return COPY_NO_ROOM;
	if (offset + keep > config.inline_limit) {
		/* Replay grade: all of it or nothing. Observe grade: what there is room for. */
		if (config.hold_mark || offset >= config.inline_limit)
			return COPY_NO_ROOM;
		keep = config.inline_limit - offset;
	}
	length = keep;
	segment = (struct rg_segment *)&s->data[offset];
	if (source == FROM_USER_STRING || source == FROM_KERNEL_STRING) {
		error = source == FROM_USER_STRING
				? bpf_probe_read_user_str(segment + 1, MAX_STRING, (void *)address)
				: bpf_probe_read_kernel_str(segment + 1, MAX_STRING, (void *)address);
		length = error > 0 ? error : 0;
		if (length > MAX_STRING)
			length = MAX_STRING;
		full = length;
		/* It may go on, and the NUL be the helper's. */
		if (source == FROM_USER_STRING && length == MAX_STRING) {
			if (config.hold_mark)
				return COPY_NO_ROOM;
			length = MAX_STRING - 1;
			s->event.flags |= RG_FAULT;
		}
	} else {
		if (length > RG_SCRATCH_DATA)
			length = RG_SCRATCH_DATA;
		error = bpf_probe_read_user(segment + 1, length, (void *)address);
	}
	segment->address = address;
	segment->full_length = full;
	segment->arg = arg;
	segment->reserved = 0;
	if (error < 0) {
		segment->flags = flags | RG_SEG_FAULT;
		segment->length = 0;
		s->event.flags |= RG_FAULT;
		s->offset = offset + sizeof(struct rg_segment);
		s->event.segment_count++;
		return COPY_FAULT;
	}
	segment->flags = flags;
	segment->length = length;
	s->offset = offset + sizeof(struct rg_segment) + ((length + 7) & ~7u);
	s->event.segment_count++;
	return COPY_OK;
}

/* How much of it to keep. */
static __always_inline u64 limit_of(u32 op_flags)
{
	if (!(op_flags & RG_OP_PAYLOAD))
		return ~0ULL;
	return (op_flags & RG_OP_OUT) ? config.out_snaplen : config.in_snaplen;
}

/*
 * These are global functions: the verifier looks at each of them once, and not again for every way that leads there.
 * Such functions take numbers alone on kernels before 5.13; so they find their record by the CPU.
 */

__noinline int add_memory(u32 cpu, u32 arg_flags, u64 address, u64 full, u64 keep)
{
	struct scratch *s = scratch_of(cpu);

	return s ? add_segment(s, FROM_USER, arg_flags & 0xff, arg_flags >> 8, address, full, keep) : COPY_NO_ROOM;
}

__noinline int add_string(u32 cpu, u32 arg_flags, u64 address)
{
	struct scratch *s = scratch_of(cpu);

	return s ? add_segment(s, FROM_USER_STRING, arg_flags & 0xff, arg_flags >> 8, address, 0, 0) : COPY_NO_ROOM;
}

static __always_inline u32 arg_with(u32 arg, u32 segment_flags)
{
	return arg | segment_flags << 8;
}

/* How many pointers stand before the NULL, as far as they are copied; -1 where they cannot be read. */
__noinline int count_pointers(u64 address)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i <= MAX_INLINE_STRINGS; i++) {
		u64 pointer;

		if (bpf_probe_read_user(&pointer, sizeof(pointer), (void *)(address + i * sizeof(pointer))))
			return -1;
		if (!pointer)
			return i;
	}
	return MAX_INLINE_STRINGS + 1;
}

/* The string that a pointer at this address leads to. */
__noinline int add_string_at(u32 cpu, u32 arg_flags, u64 address)
{
	struct scratch *s = scratch_of(cpu);
	u64 pointer;

	if (!s)
		return COPY_NO_ROOM;
	if (bpf_probe_read_user(&pointer, sizeof(pointer), (void *)address))
		return COPY_FAULT;
	return add_segment(s, FROM_USER_STRING, arg_flags & 0xff, arg_flags >> 8, pointer, 0, 0);
}

/* The array of pointers with its NULL, and each string. */
__noinline int add_strings(u32 cpu, u32 arg_flags, u64 address)
{
	u32 nested = arg_flags | arg_with(0, RG_SEG_NESTED);
	int count = count_pointers(address), result;
	u64 size = (count < 0 ? 1 : count + 1) * sizeof(u64);

	result = add_memory(cpu, arg_flags, address, size, count > MAX_INLINE_STRINGS ? size - sizeof(u64) : size);
#pragma clang loop unroll(disable)
	for (int i = 0; i < MAX_INLINE_STRINGS; i++) {
		if (i >= count || result)
			return result;
		result = add_string_at(cpu, nested, address + i * sizeof(u64));
	}
	return result ? result : count > MAX_INLINE_STRINGS ? COPY_NO_ROOM : COPY_OK;
}

struct user_iovec {
	u64 base;
	u64 length;
};

/* The memory of one. */
__noinline int add_iovec(u32 cpu, u32 arg_flags, u64 address)
{
	struct scratch *s = scratch_of(cpu);
	struct user_iovec iovec;
	u64 keep;

	if (!s)
		return COPY_NO_ROOM;
	if (bpf_probe_read_user(&iovec, sizeof(iovec), (void *)address))
		return COPY_FAULT;
	if (iovec.length > s->iovec_limit)
		iovec.length = s->iovec_limit;
	if (iovec.length == 0)
		return COPY_OK;
	s->iovec_limit -= iovec.length;
	keep = iovec.length < s->iovec_room ? iovec.length : s->iovec_room;
	s->iovec_room -= keep;
	return add_segment(s, FROM_USER, arg_flags & 0xff, arg_flags >> 8, iovec.base, iovec.length, keep);
}

/* The array of iovecs, and the memory it leads to, `limit` bytes of it altogether. */
__noinline int add_iovecs(u32 cpu, u32 arg_flags, u64 address, u64 count, u64 limit)
{
	u32 nested = arg_flags | arg_with(0, RG_SEG_NESTED);
	u32 own = arg_with(arg_flags & 0xff, RG_SEG_IN | ((arg_flags >> 8) & RG_SEG_NESTED));
	struct scratch *s = scratch_of(cpu);
	int result;

	if (!s)
		return COPY_NO_ROOM;
	if (count > 1024) /* UIO_MAXIOV */
		count = 1024;
	s->iovec_limit = limit;
	s->iovec_room = (arg_flags >> 8 & RG_SEG_OUT) ? config.out_snaplen : config.in_snaplen;
	result = add_memory(cpu, own, address, count * sizeof(struct user_iovec), count * sizeof(struct user_iovec));
#pragma clang loop unroll(disable)
	for (int i = 0; i < MAX_INLINE_IOVECS; i++) {
		if (i >= count || result || s->iovec_limit == 0)
			return result;
		result = add_iovec(cpu, nested, address + i * sizeof(struct user_iovec));
	}
	return result ? result : count > MAX_INLINE_IOVECS && s->iovec_limit ? COPY_NO_ROOM : COPY_OK;
}

struct user_message {
	u64 name;
	u32 name_length, pad;
	u64 iovecs, iovec_count;
	u64 control, control_length;
	u32 flags, pad2;
};

__noinline int add_message(u32 cpu, u32 arg_flags, u64 address, u64 limit)
{
	u32 nested = arg_flags | arg_with(0, RG_SEG_NESTED);
	struct user_message message;
	int result = add_memory(cpu, arg_flags, address, sizeof(message), sizeof(message));

	if (result)
		return result;
	if (bpf_probe_read_user(&message, sizeof(message), (void *)address))
		return COPY_FAULT;
	if (message.name && message.name_length) {
		u64 length =
			message.name_length > 128 ? 128 : message.name_length; /* sizeof(struct sockaddr_storage) */

		result = add_memory(cpu, nested, message.name, length, length);
		if (result)
			return result;
	}
	if (message.control && message.control_length) {
		result = add_memory(cpu, nested, message.control, message.control_length, message.control_length);
		if (result)
			return result;
	}
	return add_iovecs(cpu, nested, message.iovecs, message.iovec_count, limit);
}

struct user_many_message {
	struct user_message message;
	u32 length, pad;
};

/* One of sendmmsg() or recvmmsg(), and how many have been transferred from it on. */
__noinline int add_many_message(u32 cpu, u32 arg_flags, u64 address, s64 done)
{
	u64 length_at = address + sizeof(struct user_message);
	u32 length;
	int result;

	if (done <= 0) /* not touched, but of interest: what was asked for */
		return add_memory(cpu, arg_flags & ~arg_with(0, RG_SEG_OUT), address, sizeof(struct user_many_message),
				  sizeof(struct user_many_message));
	if (bpf_probe_read_user(&length, sizeof(length), (void *)length_at))
		return COPY_FAULT;
	result = add_message(cpu, arg_flags, address, length);
	if (result)
		return result;
	/* The kernel writes the length in sendmmsg as well. */
	return add_memory(cpu, arg_flags | arg_with(0, RG_SEG_OUT), length_at, sizeof(length), sizeof(length));
}

/* An array of struct mmsghdr, of which the call has transferred `done`. */
__noinline int add_messages(u32 cpu, u32 arg_flags, u64 address, u64 count, s64 done)
{
	int result = COPY_OK;

#pragma clang loop unroll(disable)
	for (int i = 0; i < MAX_INLINE_MESSAGES; i++) {
		if (i >= count || result)
			return result;
		result = add_many_message(cpu, arg_flags, address + i * sizeof(struct user_many_message), done - i);
	}
	return result ? result : count > MAX_INLINE_MESSAGES ? COPY_NO_ROOM : COPY_OK;
}

static __always_inline u64 length_term(const struct rg_length *term, const struct rg_event *event, u64 deref)
{
	u64 argument = event->args[term->arg < 6 ? term->arg : 0], value;

	if (term->kind == RG_LEN_ARG_U32 || term->kind == RG_LEN_BITMAP_U32)
		argument = (u32)argument;
	else if (term->kind == RG_LEN_ARG_I32 || term->kind == RG_LEN_BITMAP_I32)
		argument = (s32)argument < 0 ? 0 : (u32)argument;
	switch (term->kind) {
	case RG_LEN_CONST:
		return term->multiplier;
	case RG_LEN_ARG:
	case RG_LEN_ARG_U32:
	case RG_LEN_ARG_I32:
		return argument * term->multiplier + term->addend;
	case RG_LEN_RET:
		return event->result >= 0 ? event->result * term->multiplier + term->addend : 0;
	case RG_LEN_BITMAP:
	case RG_LEN_BITMAP_U32:
	case RG_LEN_BITMAP_I32:
		return ((argument + 63) >> 6) << 3;
	case RG_LEN_DEREF32:
	case RG_LEN_DEREF64: {
		value = 0;
		bpf_probe_read_user(&value, term->kind == RG_LEN_DEREF32 ? 4 : 8, (void *)argument);
		if (deref < value)
			value = deref;
		return value * term->multiplier + term->addend;
	}
	default:
		return ~0ULL;
	}
}

__noinline int add_op(u32 cpu)
{
	struct scratch *s = scratch_of(cpu);
	u32 op_flags, segment_flags, arg_flags;
	u64 address, full, cap, deref;
	struct rg_event *event;
	struct rg_op *op;

	if (!s)
		return COPY_NO_ROOM;
	event = &s->event;
	op = &s->op;
	deref = s->deref;
	op_flags = op->flags;
	address = event->args[op->arg < 6 ? op->arg : 0];
	if (!address)
		return COPY_OK;
	if ((op_flags & RG_OP_OUT) && event->result < 0 && event->kind == RG_SYSCALL) {
		/* A failed call writes nothing, but what it read is of interest still. */
		if (!(op_flags & (RG_OP_ALWAYS | RG_OP_IN)))
			return COPY_OK;
		if (!(op_flags & RG_OP_ALWAYS))
			op_flags &= ~RG_OP_OUT;
	}
	segment_flags = ((op_flags & RG_OP_IN) ? RG_SEG_IN : 0) | ((op_flags & RG_OP_OUT) ? RG_SEG_OUT : 0);
	arg_flags = arg_with(op->arg, segment_flags);
	switch (op->kind) {
	case RG_OP_STRING:
		return add_string(cpu, arg_flags, address);
	case RG_OP_BYTES:
		full = length_term(&op->length[0], event, deref);
		cap = length_term(&op->length[1], event, deref);
		if (cap < full)
			full = cap;
		if (!full)
			return COPY_OK;
		cap = limit_of(op_flags);
		return add_memory(cpu, arg_flags, address, full, full < cap ? full : cap);
	case RG_OP_IOVEC:
		full = length_term(&op->length[0], event, deref);
		cap = event->result > 0 ? event->result : 0;
		return add_iovecs(cpu, arg_flags, address, full, cap);
	case RG_OP_MSGHDR:
		cap = event->result > 0 ? event->result : 0;
		return add_message(cpu, arg_flags, address, cap);
	case RG_OP_MMSGHDR:
		full = length_term(&op->length[0], event, deref);
		return add_messages(cpu, arg_flags, address, full, event->result);
	case RG_OP_STRINGS:
		return add_strings(cpu, arg_flags, address);
	case RG_OP_IOCTL: {
		u32 command = event->args[1], direction = command >> 30; /* include/uapi/asm-generic/ioctl.h */

		full = command >> 16 & 0x3fff;
		if (!direction || !full)
			return COPY_OK;
		segment_flags = ((direction & 1) ? RG_SEG_IN : 0) | ((direction & 2) ? RG_SEG_OUT : 0);
		if (event->result < 0)
			segment_flags &= ~RG_SEG_OUT;
		if (!segment_flags)
			return COPY_OK;
		return add_memory(cpu, arg_with(op->arg, segment_flags), address, full, full);
	}
	default:
		return COPY_NO_ROOM; /* the tracer's work, where there is one */
	}
}

static __always_inline const volatile struct rg_plan *plan_of(const struct scratch *s)
{
	const struct rg_event *event = &s->event;
	const volatile struct rg_plan *plan = &plans[s->plan_nr & (RG_MAX_SYSCALLS - 1)];

	if (plan->flags & RG_PLAN_VARIANTS) {
		struct rg_variant_key key = {.nr = s->plan_nr,
					     .command = event->args[plan->selector < 6 ? plan->selector : 0] &
							plan->selector_mask};
		const struct rg_plan *variant = bpf_map_lookup_elem(&variants, &key);

		if (variant)
			return variant;
	}
	return plan;
}

/* Copies the call's memory into the record. Returns what kept it from being complete. */
static __always_inline int add_planned_memory(struct scratch *s, const volatile struct rg_plan *plan, u64 deref)
{
	u32 cpu = s->event.cpu;
	int incomplete = (plan->flags & RG_PLAN_IRREGULAR) ? COPY_NO_ROOM : COPY_OK;

	/* What stood before the fault may have been written. The tracer tells how much of it is there. */
	if (s->event.result == -FAULTED && config.hold_mark)
		return COPY_NO_ROOM;
	s->deref = deref;
	for (int i = 0; i < RG_MAX_OPS; i++) {
		const volatile u64 *from = (const volatile u64 *)&plan->ops[i];
		u64 *to = (u64 *)&s->op;
		int result;

		if (i >= plan->op_count)
			break;
		to[0] = from[0];
		to[1] = from[1];
		to[2] = from[2];
		result = add_op(cpu);
		if (result > incomplete)
			incomplete = result;
	}
	return incomplete;
}

#endif
