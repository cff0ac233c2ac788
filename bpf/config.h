/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What retrograde-capture tells the programs before it loads them, and the maps' values that both sides know. */
#ifndef RETROGRADE_CONFIG_H
#define RETROGRADE_CONFIG_H

#include "wire.h"

#define RG_COMM_LENGTH 16

/* Where a call that may change a file's content has the file's descriptor. */
enum rg_changes {
	RG_CHANGES_NOTHING = 0,
	RG_CHANGES_ARG0 = 1,
	RG_CHANGES_ARG2 = 2,
	RG_CHANGES_RESULT = 3,	    /* a call that opens a file, */
	RG_CHANGES_RESULT_ARG1 = 4, /* and may truncate it, as the flags in this argument say */
	RG_CHANGES_RESULT_ARG2 = 5,
	RG_CHANGES_PATH = 6, /* nowhere */
	/* Others that the tracer has to look at, whether they succeed or not. */
	RG_CHANGES_SCHEDULING = 7,
	RG_CHANGES_PROCESS = 8, /* prctl */
};

struct rg_config {
	__u32 in_snaplen;   /* payload bytes kept of one argument that the kernel read, */
	__u32 out_snaplen;  /* and that it wrote */
	__u32 inline_limit; /* bytes of memory of one event that go through the ring; more is the tracer's */
	__u32 spill_ring;   /* index of the ring for what cannot be held, replay grade */
	__u32 own_pid;	    /* never captured: the capture and, where it reads a pipe, who reads it */
	__u32 reader_pid;
	__u64 wake_mark;	 /* ring fill, bytes, at which the consumer is woken */
	__u64 hold_mark;	 /* replay grade: at which a thread is held; 0: threads are never held */
	__u64 checksum_interval; /* ns after which some thread is held at the end of a call; 0: never */
	__s32 execve_nr;	 /* the call that starts the recording of a started command */
	__s32 mmap_nr;
	__s32 shmat_nr;
	__s32 restart_nr; /* restart_syscall */
	__s32 sigreturn_nr;
	__u8 filter_syscalls;
	__u8 replayable;   /* a command on one CPU, and its tracer tells more than what is held */
	__u8 all_switches; /* those too that a replay does not need */
	__u8 adopt_all;	   /* threads that nobody told us of are captured: all, or those of the wanted maps */
	__u8 adopt_tgids;
	__u8 adopt_comms;
	__u8 adopt_cgroups;
	__u8 switch_tells_state; /* sched_switch has the state of the thread among its arguments */
};

/* The captured thread that has the CPU, if one has it: of a replayable recording, where all share one. */
struct rg_running {
	__u32 tid;
	__u32 in_call;
	__u64 since;
};

/* What is known of a captured thread between the start of a call and its end. */
struct rg_thread {
	__u64 enter;
	__u64 args[6];
	__u64 deref;	 /* what the plan's deref argument pointed to at enter */
	__u64 registers; /* address of its struct pt_regs in the kernel, which stays where it is */
	__s32 nr;
	__s32 interrupted_nr; /* of the call that a restart_syscall will continue */
	__u8 in_call;
	__u8 awaits_execve; /* a started command before its first execve: not recorded yet */
	__u8 compat;
	__u8 ended;
	__u8 adopted_in_call; /* whose start was not seen, and whose end is of no use therefore */
};

/* A held thread: it is stopped by SIGSTOP on its way out of a call, and the tracer finds here why. */
enum rg_hold_reason {
	RG_HOLD_FULL = 1,     /* until the ring has drained */
	RG_HOLD_EVENT = 2,    /* its event is `event`, to be written by the tracer with all its memory */
	RG_HOLD_CHECKSUM = 3, /* until the tracer has looked at the memory of the process */
};

struct rg_hold {
	__u32 reason;
	__u32 had_sigcont; /* a SIGCONT was waiting to be delivered */
	__u64 deref;
	__u32 plan_nr; /* of the call whose memory it is: that of the event, or that which a restart_syscall continues
			*/
	__u32 reserved;
	struct rg_event event;
};

#endif
