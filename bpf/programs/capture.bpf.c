// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The capture: one record for each system call, written at its exit with its memory as the copy plan says, and one for
 * each fork, exec, exit and signal. A record goes to the ring of its CPU; the consumer merges the rings by time.
 *
 * In replay grade nothing may be lost. What does not fit (memory too large or not present, a full ring) is left to the
 * tracer: the thread gets a SIGSTOP here, which takes effect before it is back in user mode; the tracer, to which the
 * stop is reported, reads the rest from the stopped thread, drops the signal and lets it go on.
 */
#include "files.h"
#include "memory.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_ENVIRONMENT	      16384
#define MAX_ERRNO	      4095 /* include/linux/err.h */
#define ERESTART_RESTARTBLOCK 516  /* include/linux/errno.h */
#define SIGKILL		      9
#define PR_GET_TSC	      25 /* include/uapi/linux/prctl.h */
#define PR_SET_TSC	      26
#define PR_SET_TIMERSLACK     29
#define PR_GET_TIMERSLACK     30
#define SA_IMMUTABLE	      0x00800000 /* include/linux/signal_types.h */
#define MAP_ANONYMOUS	      0x20	 /* include/uapi/asm-generic/mman-common.h */
#if defined(__TARGET_ARCH_x86)
#define REGISTER_WORDS	  21 /* struct pt_regs */
#define GENERAL_REGISTERS 15
#define PROGRAM_COUNTER	  16
#define STACK_POINTER	  19
#else
#define REGISTER_WORDS	  34 /* struct user_pt_regs */
#define GENERAL_REGISTERS 31
#define LINK_REGISTER	  30
#define STACK_POINTER	  31
#define PROGRAM_COUNTER	  32
#endif
#define STACK_BELOW   128 /* bytes that are told of the stack: the red zone, and the frame or a part of it */
#define STACK_BYTES   640
#define REACH_BYTES   64 /* that are told of what a register points to */
#define CODE_AROUND   64 /* bytes of code before the program counter, and behind it, whose operands are told of */
#define MOST_OPERANDS 16
#define MOST_CALLERS  4	   /* whose code around the return address is looked at in the same way */
#define CALLER_WORDS  40   /* of the stack that are taken for return addresses and for pointers */
#define PAGE	      4096 /* the smallest there is */
/* What a thread waits in, without the modifiers (include/linux/sched.h): TASK_REPORT, TASK_DEAD and TASK_NOLOAD. */
#define TASK_STATES 0x4ff

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
	if (config.replayable)
		running.in_call = 1;
	thread->enter = bpf_ktime_get_boot_ns();
	return 0;
}

/* Whether the tracer has to look at the call: at the files it has mapped or changed, or how threads are scheduled. */
static __always_inline bool is_tracers(const struct rg_thread *thread, long ret)
{
	u32 how = changes[thread->nr & (RG_MAX_SYSCALLS - 1)];

	if (!config.replayable)
		return false;
	if (how == RG_CHANGES_SCHEDULING)
		return true;
	if (how == RG_CHANGES_PROCESS)
		return (thread->args[0] >= PR_GET_TSC && thread->args[0] <= PR_SET_TSC) ||
		       (thread->args[0] >= PR_SET_TIMERSLACK && thread->args[0] <= PR_GET_TIMERSLACK);
	if ((u64)ret >= (u64)-MAX_ERRNO)
		return false;
	if (thread->nr == config.mmap_nr)
		return !(thread->args[3] & MAP_ANONYMOUS);
	return thread->nr == config.shmat_nr || changes_seen_file(how, thread->args, ret);
}

__u64 next_checksum; /* the tracer sets it anew when it has taken one, which may take long */

/* Whether the tracer is to look at the memory of this process, as it does at intervals of one or the other. */
static __always_inline bool is_checksum_due(const struct rg_thread *thread, long ret, u64 now)
{
	bool is_first = !next_checksum;

	if (!config.checksum_interval || now < next_checksum)
		return false;
	/* Not where the call has replaced the memory or the registers, or begins again. */
	if ((u64)ret >= (u64)-MAX_ERRNO || thread->nr == config.sigreturn_nr ||
	    plans[thread->nr & (RG_MAX_SYSCALLS - 1)].flags & RG_PLAN_ENTER)
		return false;
	next_checksum = now + config.checksum_interval;
	return !is_first;
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
	if (config.replayable) {
		running.in_call = 0;
		thread->registers = (u64)regs;
	}
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
	/* A restart_syscall has the arguments of the call that it continues, and its memory. */
	if (thread->nr == config.restart_nr && thread->interrupted_nr)
		s->plan_nr = thread->interrupted_nr;
	else if (ret == -ERESTART_RESTARTBLOCK)
		thread->interrupted_nr = thread->nr;
	if (is_tracers(thread, ret) && !hold(s, RG_HOLD_EVENT, 0))
		return 0;
	plan = plan_of(s);
	/* A successful exec has replaced the memory it was called with; its EXEC record tells what it was. */
	if (!(plan->op_count | (plan->flags & RG_PLAN_IRREGULAR)) || ((plan->flags & RG_PLAN_ENTER) && ret >= 0))
		emit(s, true, 0);
	else
		emit_call_with_memory(s, plan, thread->deref);
	if (is_checksum_due(thread, ret, now))
		hold(s, RG_HOLD_CHECKSUM, 0);
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
#if defined(__TARGET_ARCH_x86)
	thread->in_call = forking->in_call;
	thread->adopted_in_call = forking->adopted_in_call;
#else
	/* No tracepoint tells of that: arch/arm64/kernel/entry.S, ret_from_fork. A replay's tracer does. */
	if (forking->registers)
		thread->registers = forking->registers - (u64)FIELD(parent, stack) + (u64)FIELD(child, stack);
#endif

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
#if defined(__TARGET_ARCH_arm64)
	s->event.args[5] = forking->args[0]; /* the child has its result in the same register */
#endif
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

/* Whether the tracer has had a look at the signal: it has not where the kernel insists on it. */
static __always_inline bool was_traced(struct task_struct *task, int signal, struct k_sigaction *action)
{
	return FIELD(task, ptrace) && signal != SIGKILL && !(BPF_CORE_READ(action, sa.sa_flags) & SA_IMMUTABLE);
}

TRACEPOINT("signal_deliver")
int BPF_PROG(on_signal, int signal, struct kernel_siginfo *info, struct k_sigaction *action)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct task_struct *task = THIS_TASK();
	struct rg_thread *thread = thread_of(task);
	struct scratch *s;

	if (!thread || thread->awaits_execve || (config.replayable && was_traced(task, signal, action)))
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

static __always_inline void describe_segment(struct rg_segment *segment, u32 arg, u32 flags, u64 address, u32 length)
{
	segment->address = address;
	segment->full_length = length;
	segment->length = length;
	segment->arg = arg;
	segment->flags = flags;
	segment->reserved = 0;
}

/*
 * Where the thread was, for who replays it: it has left user mode, and these are on its kernel stack. Nothing where it
 * is leaving a call still: it is behind the call, whose results the tracer may be about to change.
 */
static __always_inline void add_registers(struct scratch *s, const struct rg_thread *thread)
{
	struct rg_segment *segment = (struct rg_segment *)s->data;
	struct pt_regs *regs = (struct pt_regs *)thread->registers;
	u64 *words = (u64 *)(segment + 1);

	if (!regs || bpf_probe_read_kernel(words, REGISTER_WORDS * sizeof(u64), regs))
		return;
#if defined(__TARGET_ARCH_x86)
	if ((s64)BPF_CORE_READ(regs, orig_ax) >= 0)
		return;
#else
	if (BPF_CORE_READ(regs, syscallno) >= 0)
		return;
#endif
#if defined(__TARGET_ARCH_x86)
	/* Above the selectors, kernels with FRED keep what an event was (arch/x86/include/asm/ptrace.h). */
	words[17] &= 0xffff;
	words[20] &= 0xffff;
#endif
	describe_segment(segment, RG_SEG_REGISTERS, 0, 0, REGISTER_WORDS * sizeof(u64));
	s->offset = sizeof(*segment) + REGISTER_WORDS * sizeof(u64);
	s->event.segment_count = 1;
}

/* Registers alone may be the same at every turn of a loop. This can't wait for pages: those that are not there are left
 * out. */
static __always_inline void add_stack(struct scratch *s)
{
	const u32 offset = sizeof(struct rg_segment) + REGISTER_WORDS * sizeof(u64);
	const u64 *words = (const u64 *)(s->data + sizeof(struct rg_segment));
	struct rg_segment *segment = (struct rg_segment *)(s->data + offset);
	u64 sp = words[STACK_POINTER], start = (sp - STACK_BELOW) & ~7ULL, boundary = (start | (PAGE - 1)) + 1;
	u32 length = STACK_BYTES;

	if (s->offset != offset || sp <= STACK_BELOW)
		return;
	if (bpf_probe_read_user(segment + 1, STACK_BYTES, (void *)start)) {
		if (boundary > sp) {
			length = boundary - start;
		} else {
			length = start + STACK_BYTES - boundary;
			start = boundary;
		}
		if (length > STACK_BYTES)
			length = STACK_BYTES;
		if (bpf_probe_read_user(segment + 1, length, (void *)start))
			return;
	}
	describe_segment(segment, RG_SEG_MEMORY, RG_SEG_IN, start, length);
	s->offset = offset + sizeof(*segment) + ((length + 7) & ~7u);
	s->event.segment_count = 2;
}

/* Global functions, as in memory.h. */
__noinline int add_piece(u32 cpu, u64 address)
{
	struct scratch *s = scratch_of(cpu);
	struct rg_segment *segment;
	u32 offset;

	if (!s)
		return 0;
	offset = s->offset;
	if (offset > RG_SCRATCH_DATA - sizeof(*segment))
		return 0;
	segment = (struct rg_segment *)&s->data[offset];
	address &= ~7ULL;
	if (bpf_probe_read_user(segment + 1, REACH_BYTES, (void *)address))
		return 0;
	describe_segment(segment, RG_SEG_MEMORY, RG_SEG_IN, address, REACH_BYTES);
	s->offset = offset + sizeof(*segment) + REACH_BYTES;
	s->event.segment_count++;
	return 1;
}

/* What an operand is, and what that points to. */
__noinline int add_operand(u32 cpu, u64 address)
{
	u64 pointer;

	if (!add_piece(cpu, address))
		return 0;
	if (!bpf_probe_read_user(&pointer, sizeof(pointer), (void *)address))
		add_piece(cpu, pointer);
	return 1;
}

/*
 * The operands of the instructions around an address. Where instructions begin is not looked for: what is taken for an
 * operand by mistake costs little.
 */
__noinline int add_operands(u32 cpu, u64 pc)
{
	struct scratch *s = scratch_of(cpu);
	u32 found = 0, i;
	const u8 *code;

	if (!s)
		return 0;
	code = s->data + RG_SCRATCH_DATA;
	pc -= CODE_AROUND;
	if (bpf_probe_read_user(s->data + RG_SCRATCH_DATA, 2 * CODE_AROUND, (void *)pc))
		return 0;
#if defined(__TARGET_ARCH_x86)
	/* A ModR/M byte of a rip-relative operand, and a displacement (Intel SDM volume 2, 2.2.1.6). */
	for (i = 0; i < 2 * CODE_AROUND - 5; i++) {
		s32 displacement;

		if ((code[i] & 0xc7) != 0x05)
			continue;
		displacement = code[i + 1] | code[i + 2] << 8 | code[i + 3] << 16 | (u32)code[i + 4] << 24;
		found += add_operand(cpu, pc + i + 5 + displacement);
		if (found == MOST_OPERANDS)
			break;
	}
#else
	/*
	 * LDR and STR with an offset from a register, or from the address that it is given there (Arm ARM, C6.2: ADRP,
	 * ADD).
	 */
	u64 *given = (u64 *)(s->data + RG_SCRATCH_DATA + 2 * CODE_AROUND);

	for (i = 0; i < 32; i++)
		given[i] = 0;
	for (i = 0; i < 2 * CODE_AROUND / 4; i++) {
		u32 instruction = ((const u32 *)code)[i], immediate = instruction >> 10 & 0xfff;
		u32 base = instruction >> 5 & 31, size = instruction >> 30;

		if ((instruction & 0x9f000000) == 0x90000000) { /* adrp */
			s64 pages =
				(s64)((u64)(instruction >> 5 & 0x7ffff) << 45 | (u64)(instruction >> 29 & 3) << 43) >>
				43;

			given[instruction & 31] = ((pc + 4 * i) & ~0xfffULL) + (pages << 12);
			continue;
		}
		if ((instruction & 0xff800000) == 0x91000000) { /* add */
			if (given[base])
				given[instruction & 31] =
					given[base] + ((u64)immediate << (instruction >> 22 & 1 ? 12 : 0));
			continue;
		}
		if ((instruction & 0x3b000000) != 0x39000000)
			continue;
		if ((instruction & 0xc4800000) == 0x04800000)
			size = 4;
		if (given[base])
			found += add_operand(cpu, given[base] + ((u64)immediate << size));
		else
			found += add_operand(cpu, ((const u64 *)(s->data + sizeof(struct rg_segment)))[base] +
							  ((u64)immediate << size));
		if (found >= MOST_OPERANDS)
			break;
	}
#endif
	return found;
}

/* Whether a call instruction ends at an address: then it is where a function returns to. */
static __always_inline bool is_behind_call(u64 address)
{
#if defined(__TARGET_ARCH_x86)
	u8 code[7];

	if (bpf_probe_read_user(code, sizeof(code), (void *)(address - sizeof(code))))
		return false;
	/* E8 with an offset; FF /2 with a register, and with memory: 8-bit, rip-relative or 32-bit displacement. */
	return code[2] == 0xe8 || (code[5] == 0xff && (code[6] & 0xf8) == 0xd0) ||
	       (code[4] == 0xff && (code[5] & 0xf8) == 0x50) ||
	       (code[1] == 0xff && (code[2] == 0x15 || (code[2] & 0xf8) == 0x90));
#else
	u32 code;

	if (address & 3 || bpf_probe_read_user(&code, sizeof(code), (void *)(address - sizeof(code))))
		return false;
	return (code & 0xfc000000) == 0x94000000 || (code & 0xfffffc1f) == 0xd63f0000; /* bl, blr */
#endif
}

__noinline int add_caller(u32 cpu, u64 address)
{
	if (!is_behind_call(address))
		return 0;
	add_operands(cpu, address);
	return 1;
}

/*
 * A loop may change nothing but memory: what the thread's registers, its stack and the instructions there and in its
 * callers point to.
 */
static __always_inline void add_reach(struct scratch *s)
{
	const u64 *words = (const u64 *)(s->data + sizeof(struct rg_segment));
	const u64 *stack = words + REGISTER_WORDS + sizeof(struct rg_segment) / sizeof(u64);
	u32 cpu = s->event.cpu, callers = 0, i;
	const bool has_stack = s->offset == 2 * sizeof(struct rg_segment) + REGISTER_WORDS * sizeof(u64) + STACK_BYTES;

	if (!s->offset)
		return;
	for (i = 0; i < GENERAL_REGISTERS; i++)
		add_piece(cpu, words[i]);
	add_operands(cpu, words[PROGRAM_COUNTER]);
	if (!has_stack)
		return;
#if !defined(__TARGET_ARCH_x86)
	callers += add_caller(cpu, words[LINK_REGISTER]);
#endif
	for (i = STACK_BELOW / sizeof(u64); i < STACK_BELOW / sizeof(u64) + CALLER_WORDS; i++)
		if (callers < MOST_CALLERS && add_caller(cpu, stack[i]))
			callers++;
		else
			add_piece(cpu, stack[i]);
}

static __always_inline void note_switch(const struct rg_thread *from, struct task_struct *next, u64 now)
{
	const struct rg_thread *to = thread_of(next);

	if (to) {
		running.tid = FIELD(next, pid);
		running.in_call = to->in_call;
		running.since = now;
	} else if (from) { /* no switch of another CPU */
		running.tid = 0;
	}
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

	if (config.replayable)
		note_switch(thread, next, now);
	if (!thread || thread->awaits_execve || thread->ended)
		return 0;
	/* Who is alone runs from call to call. */
	if (config.replayable && !config.all_switches && live_threads == 1)
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
	s->event.args[2] = thread->in_call;
	if (config.replayable && !thread->in_call) {
		add_registers(s, thread);
		add_stack(s);
		add_reach(s);
	}
	emit(s, false, 0);
	return 0;
}
