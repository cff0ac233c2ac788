/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The threads that are captured, and which are to be. */
#ifndef RETROGRADE_THREADS_H
#define RETROGRADE_THREADS_H

#include "maps.h"

#define TS_COMPAT 2	      /* arch/x86/include/asm/thread_info.h */
#define TIF_32BIT (1UL << 22) /* arch/arm64/include/asm/thread_info.h */

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

#endif
