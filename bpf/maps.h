/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the programs are told and what they share: their configuration, their maps, and the way to a map's values. */
#ifndef RETROGRADE_MAPS_H
#define RETROGRADE_MAPS_H

#include "vmlinux.h"

#include "thread_storage.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

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

const volatile struct rg_config config;
const volatile struct rg_plan plans[RG_MAX_SYSCALLS];
const volatile __u8 wanted_syscalls[RG_MAX_SYSCALLS];
const volatile __u8 changes[RG_MAX_SYSCALLS]; /* enum rg_changes */

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
	__u32 plan_nr;	 /* of the call whose memory is copied */
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

#endif
