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

#define SIGSTOP 19
#define MAX_INLINE_IOVECS 8
#define MAX_STRING 4096
#define TS_COMPAT 2          /* arch/x86/include/asm/thread_info.h */
#define TIF_32BIT (1UL << 22) /* arch/arm64/include/asm/thread_info.h */

const volatile struct rg_config config;
const volatile struct rg_plan plans[RG_MAX_SYSCALLS];
const volatile __u8 wanted_syscalls[RG_MAX_SYSCALLS];

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct rg_thread);
} threads SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* CPUs: set before loading */
	__type(key, u32);
	__array(values, struct ring);
} rings SEC(".maps");

/* Where a record is put together: programs run with preemption off, so one for each CPU is enough. An array with an
 * entry a CPU and not a per-CPU array, whose values are limited to 32 KiB. */
struct scratch {
	struct rg_event event;
	__u8 data[2 * RG_SCRATCH_DATA + 4096]; /* any offset below 64 KiB has room for 64 KiB more */
	__u32 offset;
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

#define WANTED_MAP(name, key_type)                  \
	struct {                                    \
		__uint(type, BPF_MAP_TYPE_HASH);    \
		__uint(max_entries, 4096);          \
		__type(key, key_type);              \
		__type(value, u8);                  \
	} name SEC(".maps")

struct comm {
	char name[RG_COMM_LENGTH];
};
WANTED_MAP(wanted_tgids, u32);
WANTED_MAP(wanted_comms, struct comm);
WANTED_MAP(wanted_cgroups, u64);

/* ---- threads ---- */

static __noinline struct rg_thread *adopt(struct task_struct *task)
{
	u32 tgid = task->tgid;
	bool wanted = config.adopt_all;

	if (tgid == config.own_pid || tgid == config.reader_pid)
		return NULL;
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
	if (!wanted)
		return NULL;
	return bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline bool is_compat(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return task->thread_info.status & TS_COMPAT;
#else
	return task->thread_info.flags & TIF_32BIT;
#endif
}

/* ---- records ---- */

static __always_inline struct scratch *scratch_of_cpu(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}

static __always_inline void begin(struct scratch *s, struct task_struct *task, u8 kind, s32 nr)
{
	s->event.kind = kind;
	s->event.flags = 0;
	s->event.cpu = bpf_get_smp_processor_id();
	s->event.pid = task->tgid;
	s->event.tid = task->pid;
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

u64 lost_events; /* a hint that `losses` has changed */

static __noinline int count_loss(s32 nr)
{
	u32 key = nr >= 0 && nr < RG_MAX_SYSCALLS ? nr : RG_MAX_SYSCALLS;
	u64 *count = bpf_map_lookup_elem(&losses, &key);

	if (count)
		*count += 1;
	__sync_fetch_and_add(&lost_events, 1);
	return 0;
}

/* Stops this thread before it is back in user mode. */
static __noinline int hold(struct scratch *s, u32 reason, u64 deref)
{
	u32 tid = s->event.tid;
	struct rg_hold value = {.reason = reason, .deref = deref};

	value.event = s->event;
	if (bpf_map_update_elem(&holds, &tid, &value, BPF_ANY) || bpf_send_signal_thread(SIGSTOP)) {
		bpf_map_delete_elem(&holds, &tid);
		return -1;
	}
	return 0;
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
	if (bpf_ringbuf_output(ring, &s->event, size, flags)) {
		if (!may_hold || !config.hold_mark || hold(s, RG_HOLD_EVENT, deref))
			count_loss(s->event.kind == RG_SYSCALL ? s->event.nr : -1);
		return;
	}
	if (may_hold && config.hold_mark && filled + size > config.hold_mark)
		hold(s, RG_HOLD_FULL, 0);
}

/* ---- memory ---- */

enum copy_result { COPY_OK = 0, COPY_FAULT = 1, COPY_NO_ROOM = 2 };

enum source { FROM_USER, FROM_USER_STRING, FROM_KERNEL_STRING };

/* Adds a segment: `keep` of `full` bytes at `address`. */
static __always_inline int add_segment(struct scratch *s, enum source source, u32 arg, u32 flags, u64 address, u64 full,
				       u64 keep)
{
	u32 offset = s->offset, length = keep;
	struct rg_segment *segment;
	long error;

	if (offset > RG_SCRATCH_DATA - sizeof(struct rg_segment) || keep > RG_SCRATCH_DATA)
		return COPY_NO_ROOM;
	segment = (struct rg_segment *)&s->data[offset];
	if (source == FROM_USER_STRING || source == FROM_KERNEL_STRING) {
		error = source == FROM_USER_STRING
				? bpf_probe_read_user_str(segment + 1, MAX_STRING, (void *)address)
				: bpf_probe_read_kernel_str(segment + 1, MAX_STRING, (void *)address);
		length = error > 0 ? error : 0;
		if (length > MAX_STRING)
			length = MAX_STRING;
		full = length;
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

/* The bytes to keep of `full`. */
static __always_inline u64 kept(u64 full, u32 op_flags)
{
	if ((op_flags & RG_OP_PAYLOAD) && full > config.snaplen)
		return config.snaplen;
	return full;
}

static __noinline int add_memory(struct scratch *s, u32 arg_flags, u64 address, u64 full, u64 keep)
{
	return add_segment(s, FROM_USER, arg_flags & 0xff, arg_flags >> 8, address, full, keep);
}

static __noinline int add_string(struct scratch *s, u32 arg_flags, u64 address)
{
	return add_segment(s, FROM_USER_STRING, arg_flags & 0xff, arg_flags >> 8, address, 0, 0);
}

static __always_inline u32 arg_with(u32 arg, u32 segment_flags)
{
	return arg | segment_flags << 8;
}

struct user_iovec {
	u64 base;
	u64 length;
};

/* The array of iovecs, and the memory it leads to, `limit` bytes of it altogether. */
static __noinline int add_iovecs(struct scratch *s, u32 arg_flags, u64 address, u64 count, u64 limit)
{
	u32 nested = arg_flags | arg_with(0, RG_SEG_NESTED);
	u32 own = arg_with(arg_flags & 0xff, RG_SEG_IN | ((arg_flags >> 8) & RG_SEG_NESTED));
	u64 room = config.snaplen;
	int result;

	if (count > 1024) /* UIO_MAXIOV */
		count = 1024;
	result = add_memory(s, own, address, count * sizeof(struct user_iovec), count * sizeof(struct user_iovec));
	if (result)
		return result;
	for (int i = 0; i < MAX_INLINE_IOVECS; i++) {
		struct user_iovec iovec;
		u64 keep;

		if (i >= count || limit == 0)
			return COPY_OK;
		if (bpf_probe_read_user(&iovec, sizeof(iovec), (void *)(address + i * sizeof(iovec))))
			return COPY_FAULT;
		if (iovec.length > limit)
			iovec.length = limit;
		limit -= iovec.length;
		keep = iovec.length < room ? iovec.length : room;
		room -= keep;
		if (iovec.length == 0)
			continue;
		result = add_memory(s, nested, iovec.base, iovec.length, keep);
		if (result)
			return result;
	}
	return count > MAX_INLINE_IOVECS && limit ? COPY_NO_ROOM : COPY_OK;
}

struct user_message {
	u64 name;
	u32 name_length, pad;
	u64 iovecs, iovec_count;
	u64 control, control_length;
	u32 flags, pad2;
};

static __noinline int add_message(struct scratch *s, u32 arg_flags, u64 address, u64 limit)
{
	u32 nested = arg_flags | arg_with(0, RG_SEG_NESTED);
	struct user_message message;
	int result = add_memory(s, arg_flags, address, sizeof(message), sizeof(message));

	if (result)
		return result;
	if (bpf_probe_read_user(&message, sizeof(message), (void *)address))
		return COPY_FAULT;
	if (message.name && message.name_length) {
		u64 length = message.name_length > 128 ? 128 : message.name_length; /* sizeof(struct sockaddr_storage) */

		result = add_memory(s, nested, message.name, length, length);
		if (result)
			return result;
	}
	if (message.control && message.control_length) {
		result = add_memory(s, nested, message.control, message.control_length, message.control_length);
		if (result)
			return result;
	}
	return add_iovecs(s, nested, message.iovecs, message.iovec_count, limit);
}

static __always_inline u64 length_term(const volatile struct rg_length *term, const struct rg_event *event, u64 deref)
{
	u64 value;

	switch (term->kind) {
	case RG_LEN_CONST:
		return term->multiplier;
	case RG_LEN_ARG:
		return event->args[term->arg < 6 ? term->arg : 0] * term->multiplier;
	case RG_LEN_RET:
		return event->result > 0 ? event->result * term->multiplier : 0;
	case RG_LEN_BITMAP:
		return ((event->args[term->arg < 6 ? term->arg : 0] + 63) >> 6) << 3;
	case RG_LEN_DEREF32:
	case RG_LEN_DEREF64: {
		u64 address = event->args[term->arg < 6 ? term->arg : 0];

		value = 0;
		bpf_probe_read_user(&value, term->kind == RG_LEN_DEREF32 ? 4 : 8, (void *)address);
		if (deref < value)
			value = deref;
		return value * term->multiplier;
	}
	default:
		return ~0ULL;
	}
}

static __noinline int add_op(struct scratch *s, const volatile struct rg_op *op, u64 deref)
{
	struct rg_event *event = &s->event;
	u32 op_flags, segment_flags, arg_flags;
	u64 address, full, cap;

	if (!op)
		return COPY_OK;
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
		return add_string(s, arg_flags, address);
	case RG_OP_BYTES:
		full = length_term(&op->length[0], event, deref);
		cap = length_term(&op->length[1], event, deref);
		if (cap < full)
			full = cap;
		if (!full)
			return COPY_OK;
		return add_memory(s, arg_flags, address, full, kept(full, op_flags));
	case RG_OP_IOVEC:
		full = length_term(&op->length[0], event, deref);
		cap = event->result > 0 ? event->result : 0;
		return add_iovecs(s, arg_flags, address, full, cap);
	case RG_OP_MSGHDR:
		cap = event->result > 0 ? event->result : 0;
		return add_message(s, arg_flags, address, cap);
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
		return add_memory(s, arg_with(op->arg, segment_flags), address, full, full);
	}
	default:
		return COPY_NO_ROOM; /* the tracer's work, where there is one */
	}
}

static __always_inline const volatile struct rg_plan *plan_of(const struct rg_event *event)
{
	const volatile struct rg_plan *plan = &plans[event->nr & (RG_MAX_SYSCALLS - 1)];

	if (plan->flags & RG_PLAN_VARIANTS) {
		struct rg_variant_key key = {.nr = event->nr, .command = event->args[plan->selector < 6 ? plan->selector : 0]};
		const struct rg_plan *variant = bpf_map_lookup_elem(&variants, &key);

		if (variant)
			return variant;
	}
	return plan;
}

/* Copies the call's memory into the record. Returns what kept it from being complete. */
static __always_inline int add_planned_memory(struct scratch *s, const volatile struct rg_plan *plan, u64 deref)
{
	int incomplete = COPY_OK;

	for (int i = 0; i < RG_MAX_OPS; i++) {
		int result;

		if (i >= plan->op_count)
			break;
		result = add_op(s, &plan->ops[i], deref);
		if (result > incomplete)
			incomplete = result;
	}
	if (plan->flags & RG_PLAN_IRREGULAR)
		incomplete = COPY_NO_ROOM;
	return incomplete;
}

/* ---- programs ---- */

SEC("tp_btf/sys_enter")
int BPF_PROG(on_sys_enter, struct pt_regs *regs, long id)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct rg_thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	const volatile struct rg_plan *plan;

	if (!thread) {
		if (!config.adopt_all && !config.adopt_tgids && !config.adopt_comms && !config.adopt_cgroups)
			return 0;
		thread = adopt(task);
		if (!thread)
			return 0;
	}
	if (thread->awaits_execve) {
		if (id != config.execve_nr)
			return 0;
		thread->awaits_execve = 0;
	}
	if (config.filter_syscalls && !wanted_syscalls[id & (RG_MAX_SYSCALLS - 1)])
		return 0;
	thread->nr = id;
	thread->compat = is_compat(task);
#if defined(__TARGET_ARCH_x86)
	if (thread->compat) { /* entry_64_compat.S: ebx, ecx, edx, esi, edi, ebp */
		thread->args[0] = (u32)regs->bx;
		thread->args[1] = (u32)regs->cx;
		thread->args[2] = (u32)regs->dx;
		thread->args[3] = (u32)regs->si;
		thread->args[4] = (u32)regs->di;
		thread->args[5] = (u32)regs->bp;
	} else {
		thread->args[0] = regs->di;
		thread->args[1] = regs->si;
		thread->args[2] = regs->dx;
		thread->args[3] = regs->r10;
		thread->args[4] = regs->r8;
		thread->args[5] = regs->r9;
	}
#else
	thread->args[0] = regs->orig_x0;
	thread->args[1] = regs->regs[1];
	thread->args[2] = regs->regs[2];
	thread->args[3] = regs->regs[3];
	thread->args[4] = regs->regs[4];
	thread->args[5] = regs->regs[5];
#endif
	plan = &plans[id & (RG_MAX_SYSCALLS - 1)];
	if (plan->flags & RG_PLAN_DEREF) {
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

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct task_struct *task = bpf_get_current_task_btf();
	struct rg_thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	const volatile struct rg_plan *plan;
	struct scratch *s;
	u64 deref;

	if (!thread || !thread->in_call)
		return 0;
	thread->in_call = 0;
	s = scratch_of_cpu();
	if (!s)
		return 0;
	begin(s, task, RG_SYSCALL, thread->nr);
	s->event.enter = thread->enter;
	s->event.exit = now;
	s->event.result = ret;
	s->event.args[0] = thread->args[0];
	s->event.args[1] = thread->args[1];
	s->event.args[2] = thread->args[2];
	s->event.args[3] = thread->args[3];
	s->event.args[4] = thread->args[4];
	s->event.args[5] = thread->args[5];
	deref = thread->deref;
	if (thread->compat || thread->nr < 0 || thread->nr >= RG_MAX_SYSCALLS) {
		s->event.flags |= thread->compat ? RG_COMPAT : 0;
		emit(s, true, deref);
		return 0;
	}
	plan = plan_of(&s->event);
	/* A successful exec has replaced the memory it was called with; its EXEC record tells what it was. */
	if (plan->op_count && !((plan->flags & RG_PLAN_ENTER) && ret >= 0)) {
		int incomplete = add_planned_memory(s, plan, deref);

		if (config.hold_mark && (incomplete || s->offset > config.inline_limit) &&
		    !hold(s, RG_HOLD_EVENT, deref))
			return 0;
		/* Observe grade: what there was no room for is marked, never passed off as empty. */
		if (incomplete)
			s->event.flags |= RG_FAULT;
	}
	emit(s, true, deref);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rg_thread *forking = bpf_task_storage_get(&threads, parent, NULL, 0);
	struct rg_thread *thread;
	struct scratch *s;

	if (!forking)
		return 0;
	thread = bpf_task_storage_get(&threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread) {
		count_loss(-1);
		return 0;
	}
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

	s = scratch_of_cpu();
	if (!s)
		return 0;
	begin(s, child, RG_FORK, -1);
	no_args(s, now);
	s->event.args[0] = parent->pid;
	s->event.args[1] = parent->tgid;
	s->event.args[2] = child->cred->uid.val;
	s->event.args[3] = child->cred->gid.val;
	s->event.args[4] = bpf_get_current_cgroup_id();
	add_segment(s, FROM_KERNEL_STRING, RG_SEG_COMM, 0, (u64)&child->comm, 0, 0);
	emit(s, false, 0);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rg_thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	u64 arguments, arguments_length, environment, environment_length;
	struct scratch *s;

	if (!thread || thread->awaits_execve)
		return 0;
	s = scratch_of_cpu();
	if (!s || !task->mm)
		return 0;
	begin(s, task, RG_EXEC, -1);
	no_args(s, now);
	s->event.args[0] = old_pid;
	s->event.args[2] = task->cred->uid.val;
	s->event.args[3] = task->cred->gid.val;
	s->event.args[4] = bpf_get_current_cgroup_id();
	add_segment(s, FROM_KERNEL_STRING, RG_SEG_FILENAME, 0, (u64)bprm->filename, 0, 0);
	add_segment(s, FROM_KERNEL_STRING, RG_SEG_COMM, 0, (u64)&task->comm, 0, 0);
	arguments = task->mm->arg_start;
	arguments_length = task->mm->arg_end - arguments;
	environment = task->mm->env_start;
	environment_length = task->mm->env_end - environment;
	add_memory(s, arg_with(RG_SEG_ARGV, 0), arguments, arguments_length,
		   arguments_length < 32768 ? arguments_length : 32768);
	add_memory(s, arg_with(RG_SEG_ENVP, 0), environment, environment_length,
		   environment_length < 16384 ? environment_length : 16384);
	emit(s, false, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct rg_thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	struct scratch *s;

	if (!thread || thread->awaits_execve)
		return 0;
	s = scratch_of_cpu();
	if (!s)
		return 0;
	if (thread->in_call) {
		begin(s, task, RG_ENTER, thread->nr);
		no_args(s, thread->enter);
		s->event.args[0] = thread->args[0];
		s->event.args[1] = thread->args[1];
		s->event.args[2] = thread->args[2];
		s->event.args[3] = thread->args[3];
		s->event.args[4] = thread->args[4];
		s->event.args[5] = thread->args[5];
		s->event.flags = thread->compat ? RG_COMPAT : 0;
		emit(s, false, 0);
	}
	begin(s, task, RG_EXIT, -1);
	no_args(s, now);
	s->event.result = task->exit_code;
	s->event.args[0] = task->signal->live.counter == 0;
	emit(s, false, 0);
	return 0;
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info, struct k_sigaction *action)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct task_struct *task = bpf_get_current_task_btf();
	struct rg_thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	struct scratch *s;

	if (!thread || thread->awaits_execve)
		return 0;
	s = scratch_of_cpu();
	if (!s)
		return 0;
	begin(s, task, RG_SIGNAL, signal);
	no_args(s, now);
	s->event.args[0] = (u64)(s64)BPF_CORE_READ(info, si_code);
	s->event.args[1] = BPF_CORE_READ(info, _sifields._kill._pid);
	s->event.args[2] = BPF_CORE_READ(info, _sifields._kill._uid);
	s->event.args[3] = (u64)BPF_CORE_READ(info, _sifields._sigfault._addr);
	s->event.args[4] = (u64)BPF_CORE_READ(action, sa.sa_handler);
	emit(s, false, 0);
	return 0;
}
