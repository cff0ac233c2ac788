/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Records: put together in the CPU's scratch, sent to its ring, and, where that is full, held for or counted. */
#ifndef RETROGRADE_RECORDS_H
#define RETROGRADE_RECORDS_H

#include "threads.h"

#define SIGCONT 18
#define SIGSTOP 19

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
	s->plan_nr = nr;
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
struct rg_running running;

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
	struct rg_hold value = {.reason = reason, .deref = deref, .plan_nr = s->plan_nr};
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
	if (before && before->reason) /* the stop that is pending already has taken it away */
		value.had_sigcont |= before->had_sigcont;
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

#endif
