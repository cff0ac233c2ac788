// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The capture: one record for each system call, written at its exit with its memory as the copy plan says, and one for
 * each fork, exec, exit and signal. A record goes to the ring of its CPU; the consumer merges the rings by time.
 *
 * In replay grade nothing may be lost. What does not fit (memory too large or not present, a full ring) is left to the
 * tracer: the thread gets a SIGSTOP here, which takes effect before it is back in user mode; the tracer, to which the
 * stop is reported, reads the rest from the stopped thread, drops the signal and lets it go on.
 */
#include "vmlinux.h"

#include "config.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Built twice. RG_LEGACY is for kernels without BTF of their own (then the BTF file says where the fields are) or
 * without task storage (before 5.11): raw tracepoints, probed reads, and threads in a hash by tid.
 */
#ifdef RG_LEGACY
#define TRACEPOINT(name)    SEC("raw_tp/" name)
#define FIELD(pointer, ...) BPF_CORE_READ(pointer, __VA_ARGS__)
#define THIS_TASK()	    ((struct task_struct *)bpf_get_current_task())
#else
#define TRACEPOINT(name)      SEC("tp_btf/" name)
#define FIELD(pointer, field) ((pointer)->field)
#define THIS_TASK()	      bpf_get_current_task_btf()
#endif

#define SIGCONT		    18
#define SIGSTOP		    19
#define MAX_INLINE_IOVECS   64
#define MAX_INLINE_MESSAGES 32
#define MAX_INLINE_STRINGS  64
#define MAX_STRING	    4096
#define MAX_ENVIRONMENT	    16384
#define TS_COMPAT	    2		/* arch/x86/include/asm/thread_info.h */
#define TIF_32BIT	    (1UL << 22) /* arch/arm64/include/asm/thread_info.h */
/* What a thread waits in, without the modifiers (include/linux/sched.h): TASK_REPORT, TASK_DEAD and TASK_NOLOAD. */
#define TASK_STATES 0x4ff

const volatile struct rg_config config;
const volatile struct rg_plan plans[RG_MAX_SYSCALLS];
const volatile __u8 wanted_syscalls[RG_MAX_SYSCALLS];

#ifdef RG_LEGACY
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32); /* tid */
	__type(value, struct rg_thread);
} threads SEC(".maps");
#else
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rg_thread);
} threads SEC(".maps");
#endif

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
};

/* A ring for each CPU, and behind them one that takes what cannot be held when the CPU's own is full. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2); /* CPUs + 1: set before loading */
	__type(key, u32);
	__array(values, struct ring);
} rings SEC(".maps");

/* Where a record is put together: programs run with preemption off, so one for each CPU is enough. An array with an
 * entry a CPU and not a per-CPU array, whose values are limited to 32 KiB. */
struct scratch {
	struct rg_event event;
	__u8 data[2 * RG_SCRATCH_DATA + 4096]; /* any offset below 64 KiB has room for 64 KiB more */
	__u32 offset;
	struct rg_op op; /* that add_op() is to do */
	__u64 deref;
	__u64 iovec_limit, iovec_room; /* of add_iovec(): what is still to come, and of that to be kept */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* CPUs: set before loading */
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32); /* tid */
	__type(value, struct rg_hold);
} holds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct rg_variant_key);
	__type(value, struct rg_plan);
} variants SEC(".maps");

/* Lost events by system call; the last entry counts those of other kinds. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RG_MAX_SYSCALLS + 1);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps");

#define WANTED_MAP(name, key_type)                                                                                     \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                       \
		__uint(max_entries, 4096);                                                                             \
		__type(key, key_type);                                                                                 \
		__type(value, u8);                                                                                     \
	} name SEC(".maps")

struct comm {
	char name[RG_COMM_LENGTH];
};
WANTED_MAP(wanted_tgids, u32);
WANTED_MAP(wanted_comms, struct comm);
WANTED_MAP(wanted_cgroups, u64);

/* ---- threads ---- */

/* All programs are attached, and none has been detached yet: they begin and end together. */
__u32 capturing;

static __always_inline struct rg_thread *thread_of(struct task_struct *task)
{
	if (!capturing)
		return NULL;
#ifdef RG_LEGACY
	u32 tid = FIELD(task, pid);

	return bpf_map_lookup_elem(&threads, &tid);
#else
	return bpf_task_storage_get(&threads, task, NULL, 0);
#endif
}

static __always_inline struct rg_thread *new_thread_of(struct task_struct *task)
{
#ifdef RG_LEGACY
	static const struct rg_thread fresh;
	u32 tid = FIELD(task, pid);

	bpf_map_update_elem(&threads, &tid, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&threads, &tid);
#else
	return bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
#endif
}

static __noinline bool is_wanted(u32 tgid)
{
	bool wanted = config.adopt_all;

	if (tgid == config.own_pid || tgid == config.reader_pid)
		return false;
	if (config.adopt_tgids && bpf_map_lookup_elem(&wanted_tgids, &tgid))
		wanted = true;
	if (config.adopt_comms) {
		struct comm comm = {};

		bpf_get_current_comm(&comm, sizeof(comm));
		if (bpf_map_lookup_elem(&wanted_comms, &comm))
			wanted = true;
	}
	if (config.adopt_cgroups) {
		u64 cgroup = bpf_get_current_cgroup_id();

		if (bpf_map_lookup_elem(&wanted_cgroups, &cgroup))
			wanted = true;
	}
	return wanted;
}

static __always_inline bool is_compat(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return FIELD(task, thread_info.status) & TS_COMPAT;
#else
	return FIELD(task, thread_info.flags) & TIF_32BIT;
#endif
}

/* ---- records ---- */

static __always_inline struct scratch *scratch_of(u32 cpu)
{
	return bpf_map_lookup_elem(&scratches, &cpu);
}

static __always_inline void begin(struct scratch *s, struct task_struct *task, u8 kind, s32 nr)
{
	s->event.kind = kind;
	s->event.flags = 0;
	s->event.cpu = bpf_get_smp_processor_id();
	s->event.pid = FIELD(task, tgid);
	s->event.tid = FIELD(task, pid);
	s->event.nr = nr;
	s->event.segment_count = 0;
	s->event.deferred = 0;
	s->offset = 0;
}

static __always_inline void no_args(struct scratch *s, u64 now)
{
	s->event.enter = now;
	s->event.exit = now;
	s->event.result = 0;
	s->event.args[0] = 0;
	s->event.args[1] = 0;
	s->event.args[2] = 0;
	s->event.args[3] = 0;
	s->event.args[4] = 0;
	s->event.args[5] = 0;
}

__u64 lost_events;  /* a hint that `losses` has changed */
__s64 live_threads; /* that are captured */
__u64 held_events;  /* ever put into `holds` with RG_HOLD_EVENT */

static __noinline int count_loss(s32 nr)
{
	u32 key = nr >= 0 && nr < RG_MAX_SYSCALLS ? nr : RG_MAX_SYSCALLS;
	u64 *count = bpf_map_lookup_elem(&losses, &key);

	if (count)
		*count += 1;
	__sync_fetch_and_add(&lost_events, 1);
	return 0;
}

/*
 * Stops this thread before it is back in user mode. Only one that the tracer has attached to: nobody would let another
 * go on. A stop signal discards a SIGCONT that waits to be delivered: the tracer has to send it again.
 */
static __noinline int hold(struct scratch *s, u32 reason, u64 deref)
{
	struct task_struct *task = THIS_TASK();
	struct rg_hold value = {.reason = reason, .deref = deref};
	const struct rg_hold *before;
	u32 tid = s->event.tid;
	u64 pending;

	if (!FIELD(task, ptrace))
		return -1;
	/* A SIGCONT may have taken the stop away, or an exec the id: the event that waits there must not be lost. */
	before = bpf_map_lookup_elem(&holds, &tid);
	if (before && before->reason == RG_HOLD_EVENT)
		return -1;
	pending =
		BPF_CORE_READ(task, pending.signal.sig[0]) | BPF_CORE_READ(task, signal, shared_pending.signal.sig[0]);
	value.had_sigcont = pending >> (SIGCONT - 1) & 1;
	value.event = s->event;
	/* Counted before it can be seen: who finds as many taken as counted knows that there are no others. */
	if (reason == RG_HOLD_EVENT)
		__sync_fetch_and_add(&held_events, 1);
	if (!bpf_map_update_elem(&holds, &tid, &value, BPF_ANY)) {
		if (!bpf_send_signal_thread(SIGSTOP))
			return 0;
		bpf_map_delete_elem(&holds, &tid);
	}
	if (reason == RG_HOLD_EVENT)
		__sync_fetch_and_add(&held_events, -1);
	return -1;
}

/* The record does not fit in its ring: the last places for it. */
static __noinline int emit_without_room(struct scratch *s, bool may_hold, u64 deref)
{
	u32 key = config.spill_ring, size = s->event.size;
	void *ring;

	if (config.hold_mark) {
		if (may_hold && !hold(s, RG_HOLD_EVENT, deref))
			return 0;
		ring = bpf_map_lookup_elem(&rings, &key);
		if (size > sizeof(struct rg_event) + 2 * RG_SCRATCH_DATA)
			size = sizeof(struct rg_event);
		if (ring && !bpf_ringbuf_output(ring, &s->event, size, BPF_RB_FORCE_WAKEUP))
			return 0;
	}
	return count_loss(s->event.kind == RG_SYSCALL ? s->event.nr : -1);
}

/* Sends the record to its ring. `may_hold`: the thread is leaving a system call and can be held. */
static __always_inline void emit(struct scratch *s, bool may_hold, u64 deref)
{
	u32 cpu = s->event.cpu, size = sizeof(struct rg_event) + s->offset;
	void *ring = bpf_map_lookup_elem(&rings, &cpu);
	u64 filled, flags;

	if (!ring)
		return;
	if (size > sizeof(struct rg_event) + 2 * RG_SCRATCH_DATA)
		size = sizeof(struct rg_event);
	s->event.size = size;
	filled = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	flags = filled <= config.wake_mark && filled + size > config.wake_mark ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	if (bpf_ringbuf_output(ring, &s->event, size, flags))
		emit_without_room(s, may_hold, deref);
	else if (may_hold && config.hold_mark && filled + size > config.hold_mark)
		hold(s, RG_HOLD_FULL, 0);
}

/* ---- memory ---- */

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

static __always_inline const volatile struct rg_plan *plan_of(const struct rg_event *event)
{
	const volatile struct rg_plan *plan = &plans[event->nr & (RG_MAX_SYSCALLS - 1)];

	if (plan->flags & RG_PLAN_VARIANTS) {
		struct rg_variant_key key = {.nr = event->nr,
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

/* ---- programs ---- */

static __always_inline void read_args(struct rg_thread *thread, struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	if (thread->compat) { /* entry_64_compat.S: ebx, ecx, edx, esi, edi, ebp */
		thread->args[0] = (u32)FIELD(regs, bx);
		thread->args[1] = (u32)FIELD(regs, cx);
		thread->args[2] = (u32)FIELD(regs, dx);
		thread->args[3] = (u32)FIELD(regs, si);
		thread->args[4] = (u32)FIELD(regs, di);
		thread->args[5] = (u32)FIELD(regs, bp);
	} else {
		thread->args[0] = FIELD(regs, di);
		thread->args[1] = FIELD(regs, si);
		thread->args[2] = FIELD(regs, dx);
		thread->args[3] = FIELD(regs, r10);
		thread->args[4] = FIELD(regs, r8);
		thread->args[5] = FIELD(regs, r9);
	}
#else
	thread->args[0] = FIELD(regs, orig_x0);
	thread->args[1] = FIELD(regs, regs[1]);
	thread->args[2] = FIELD(regs, regs[2]);
	thread->args[3] = FIELD(regs, regs[3]);
	thread->args[4] = FIELD(regs, regs[4]);
	thread->args[5] = FIELD(regs, regs[5]);
#endif
}

/* The number of the call that a thread is leaving. */
static __always_inline s32 nr_at_exit(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return FIELD(regs, orig_ax);
#else
	return FIELD(regs, syscallno);
#endif
}

static __always_inline void copy_args(struct scratch *s, const struct rg_thread *thread)
{
	s->event.args[0] = thread->args[0];
	s->event.args[1] = thread->args[1];
	s->event.args[2] = thread->args[2];
	s->event.args[3] = thread->args[3];
	s->event.args[4] = thread->args[4];
	s->event.args[5] = thread->args[5];
}

/* Captures a thread of this machine that nobody told us of, if it is wanted. */
static __always_inline struct rg_thread *adopt(struct task_struct *task, s32 nr)
{
	struct rg_thread *thread;

	if (!capturing || (!config.adopt_all && !config.adopt_tgids && !config.adopt_comms && !config.adopt_cgroups))
		return NULL;
	if (!is_wanted(FIELD(task, tgid)))
		return NULL;
	thread = new_thread_of(task);
	if (thread)
		__sync_fetch_and_add(&live_threads, 1);
	else
		count_loss(nr);
	return thread;
}

/* The numbers of 32-bit calls are others: those are all let through, so that nothing wanted is missed. */
static __always_inline bool is_filtered(s32 nr, bool compat)
{
	if (!config.filter_syscalls || compat)
		return false;
	return nr < 0 || nr >= RG_MAX_SYSCALLS || !wanted_syscalls[nr & (RG_MAX_SYSCALLS - 1)];
}

TRACEPOINT("sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long id)
{
	struct task_struct *task = THIS_TASK();
	struct rg_thread *thread = thread_of(task);
	const volatile struct rg_plan *plan;
	bool compat;

	if (!thread)
		thread = adopt(task, id);
	if (!thread)
		return 0;
	if (thread->awaits_execve) {
		if (id != config.execve_nr)
			return 0;
		thread->awaits_execve = 0;
	}
	compat = is_compat(task);
	if (is_filtered(id, compat))
		return 0;
	thread->nr = id;
	thread->compat = compat;
	read_args(thread, regs);
	plan = &plans[id & (RG_MAX_SYSCALLS - 1)];
	if ((plan->flags & RG_PLAN_DEREF) && !compat) {
		u64 value = 0;
		u32 arg = plan->deref_arg;

		/* Four bytes are enough: no call takes a buffer of 4 GiB, and all lengths are little-endian. */
		bpf_probe_read_user(&value, 4, (void *)thread->args[arg < 6 ? arg : 0]);
		thread->deref = value;
	}
	thread->in_call = 1;
	thread->enter = bpf_ktime_get_boot_ns();
	return 0;
}

/* Writes the record of a call of this architecture, with its memory. */
static __noinline int emit_call_with_memory(struct scratch *s, const volatile struct rg_plan *plan, u64 deref)
{
	int incomplete = add_planned_memory(s, plan, deref);

	if (incomplete) {
		if (config.hold_mark && !hold(s, RG_HOLD_EVENT, deref))
			return 0;
		/* What there was no room for is marked, never passed off as empty. */
		s->event.flags |= RG_FAULT;
	}
	emit(s, true, deref);
	return 0;
}

TRACEPOINT("sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct task_struct *task = THIS_TASK();
	struct rg_thread *thread = thread_of(task);
	const volatile struct rg_plan *plan;
	struct scratch *s;

	if (!thread)
		return 0;
	if (thread->adopted_in_call) {
		thread->adopted_in_call = 0;
		return 0;
	}
	if (!thread->in_call) {
		/* A call that seccomp answered has an end but no start. */
		s32 nr = nr_at_exit(regs);
		bool compat = is_compat(task);

		if (thread->awaits_execve || nr < 0 || is_filtered(nr, compat))
			return 0;
		thread->nr = nr;
		thread->compat = compat;
		thread->enter = now;
		thread->deref = 0;
		read_args(thread, regs);
	}
	thread->in_call = 0;
	s = scratch_of(bpf_get_smp_processor_id());
	if (!s)
		return 0;
	begin(s, task, RG_SYSCALL, thread->nr);
	s->event.enter = thread->enter;
	s->event.exit = now;
	s->event.result = ret;
	copy_args(s, thread);
	if (thread->compat || thread->nr < 0 || thread->nr >= RG_MAX_SYSCALLS) {
		s->event.flags = thread->compat ? RG_COMPAT : 0;
		emit(s, true, 0);
		return 0;
	}
	plan = plan_of(&s->event);
	/* A successful exec has replaced the memory it was called with; its EXEC record tells what it was. */
	if (!(plan->op_count | (plan->flags & RG_PLAN_IRREGULAR)) || ((plan->flags & RG_PLAN_ENTER) && ret >= 0))
		emit(s, true, 0);
	else
		emit_call_with_memory(s, plan, thread->deref);
	return 0;
}

TRACEPOINT("sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rg_thread *forking = thread_of(parent);
	struct rg_thread *thread;
	struct scratch *s;

	if (!forking) { /* it was in this call already when the capture began */
		forking = adopt(parent, -1);
		if (!forking)
			return 0;
		forking->adopted_in_call = 1;
	}
	if (forking->awaits_execve)
		return 0;
	thread = new_thread_of(child);
	if (!thread) {
		count_loss(-1);
		return 0;
	}
	__sync_fetch_and_add(&live_threads, 1);
	/* The child leaves the same call, with the result 0. */
	thread->enter = now;
	thread->nr = forking->nr;
	thread->args[0] = forking->args[0];
	thread->args[1] = forking->args[1];
	thread->args[2] = forking->args[2];
	thread->args[3] = forking->args[3];
	thread->args[4] = forking->args[4];
	thread->args[5] = forking->args[5];
	thread->compat = forking->compat;
	thread->in_call = forking->in_call;
	thread->adopted_in_call = forking->adopted_in_call;

	s = scratch_of(bpf_get_smp_processor_id());
	if (!s)
		return 0;
	begin(s, child, RG_FORK, -1);
	no_args(s, now);
	s->event.args[0] = FIELD(parent, pid);
	s->event.args[1] = FIELD(parent, tgid);
	s->event.args[2] = BPF_CORE_READ(child, cred, uid.val);
	s->event.args[3] = BPF_CORE_READ(child, cred, gid.val);
	s->event.args[4] = bpf_get_current_cgroup_id();
	add_segment(s, FROM_KERNEL_STRING, RG_SEG_COMM, 0, (u64)&child->comm, 0, 0);
	emit(s, false, 0);
	return 0;
}

/* How much of some text there is room for: a command is told by its beginning, too. */
static __always_inline u64 room_for(const struct scratch *s, u64 length, u64 most)
{
	u64 used = s->offset + sizeof(struct rg_segment),
	    room = config.inline_limit > used ? config.inline_limit - used : 0;

	if (most < room)
		room = most;
	return length < room ? length : room;
}

TRACEPOINT("sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	u64 now = bpf_ktime_get_boot_ns();
	u64 arguments, arguments_length, environment, environment_length;
	struct rg_thread *thread;
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct scratch *s;

#ifdef RG_LEGACY
	u32 tid = FIELD(task, pid), old_tid = old_pid;

	if (tid != old_tid) { /* another thread than the main one: it takes over the main one's id */
		thread = bpf_map_lookup_elem(&threads, &old_tid);
		if (thread) {
			struct rg_thread moved = *thread;

			bpf_map_update_elem(&threads, &tid, &moved, BPF_ANY);
			bpf_map_delete_elem(&threads, &old_tid);
		}
	}
#endif
	thread = thread_of(task);
	if (!thread) { /* it may have got a name that is wanted */
		thread = adopt(task, -1);
		if (!thread)
			return 0;
		thread->adopted_in_call = 1;
	}
	if (thread->awaits_execve)
		return 0;
	s = scratch_of(bpf_get_smp_processor_id());
	if (!s || !mm)
		return 0;
	begin(s, task, RG_EXEC, -1);
	no_args(s, now);
	s->event.args[0] = old_pid;
	s->event.args[2] = BPF_CORE_READ(task, cred, uid.val);
	s->event.args[3] = BPF_CORE_READ(task, cred, gid.val);
	s->event.args[4] = bpf_get_current_cgroup_id();
	add_segment(s, FROM_KERNEL_STRING, RG_SEG_FILENAME, 0, (u64)BPF_CORE_READ(bprm, filename), 0, 0);
	add_segment(s, FROM_KERNEL_STRING, RG_SEG_COMM, 0, (u64)&task->comm, 0, 0);
	arguments = BPF_CORE_READ(mm, arg_start);
	arguments_length = BPF_CORE_READ(mm, arg_end) - arguments;
	environment = BPF_CORE_READ(mm, env_start);
	environment_length = BPF_CORE_READ(mm, env_end) - environment;
	add_memory(s->event.cpu, arg_with(RG_SEG_ARGV, 0), arguments, arguments_length,
		   room_for(s, arguments_length, config.inline_limit / 2));
	add_memory(s->event.cpu, arg_with(RG_SEG_ENVP, 0), environment, environment_length,
		   room_for(s, environment_length, MAX_ENVIRONMENT));
	emit(s, false, 0);
	return 0;
}

TRACEPOINT("sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rg_thread *thread = thread_of(task);
	bool is_last = BPF_CORE_READ(task, signal, live.counter) == 0;
	struct scratch *s;

	if (config.adopt_tgids && is_last) { /* its id may be another's next */
		u32 tgid = FIELD(task, tgid);

		bpf_map_delete_elem(&wanted_tgids, &tgid);
	}
	if (!thread)
		return 0;
	__sync_fetch_and_add(&live_threads, -1);
	thread->ended = 1;
	if (thread->awaits_execve)
		return 0;
	s = scratch_of(bpf_get_smp_processor_id());
	if (!s)
		return 0;
	if (thread->in_call) {
		begin(s, task, RG_ENTER, thread->nr);
		no_args(s, thread->enter);
		copy_args(s, thread);
		s->event.flags = thread->compat ? RG_COMPAT : 0;
		emit(s, false, 0);
	}
	begin(s, task, RG_EXIT, -1);
	no_args(s, now);
	s->event.result = FIELD(task, exit_code);
	s->event.args[0] = is_last;
	emit(s, false, 0);
#ifdef RG_LEGACY
	u32 tid = FIELD(task, pid);

	bpf_map_delete_elem(&threads, &tid);
#endif
	return 0;
}

TRACEPOINT("signal_deliver")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info, struct k_sigaction *action)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct task_struct *task = THIS_TASK();
	struct rg_thread *thread = thread_of(task);
	struct scratch *s;

	if (!thread || thread->awaits_execve)
		return 0;
	s = scratch_of(bpf_get_smp_processor_id());
	if (!s)
		return 0;
	begin(s, task, RG_SIGNAL, signal);
	no_args(s, now);
	if ((u64)info > 2) { /* SEND_SIG_NOINFO, SEND_SIG_PRIV: no pointers */
		s->event.args[0] = (u64)(s64)BPF_CORE_READ(info, si_code);
		s->event.args[1] = BPF_CORE_READ(info, _sifields._kill._pid);
		s->event.args[2] = BPF_CORE_READ(info, _sifields._kill._uid);
		s->event.args[3] = (u64)BPF_CORE_READ(info, _sifields._sigfault._addr);
	}
	s->event.args[4] = (u64)BPF_CORE_READ(action, sa.sa_handler);
	emit(s, false, 0);
	return 0;
}

/* struct task_struct before 5.14 */
struct task_struct___before_5_14 {
	long state;
} __attribute__((preserve_access_index));

static __always_inline u64 state_of(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}

/* Loaded on demand only: it runs at every switch of the machine. This runs with the run queue locked: no holds. */
TRACEPOINT("sched_switch")
int on_switch(unsigned long long *context)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct task_struct *previous = (struct task_struct *)context[1];
	struct task_struct *next = (struct task_struct *)context[2];
	struct rg_thread *thread = thread_of(previous);
	struct scratch *s;
	u64 state;

	if (!thread || thread->awaits_execve || thread->ended)
		return 0;
	s = scratch_of(bpf_get_smp_processor_id());
	if (!s)
		return 0;
	/* Since 5.18 the state is an argument: who wakes the thread may be changing it by now. */
	state = config.switch_tells_state ? (u32)context[3] : state_of(previous);
	begin(s, previous, RG_SWITCH, -1);
	no_args(s, now);
	s->event.args[0] = FIELD(next, pid);
	s->event.args[1] = (bool)context[0] ? 0 : state & TASK_STATES; /* preempted: it could have gone on */
	emit(s, false, 0);
	return 0;
}
