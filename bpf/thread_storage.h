/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What is kept with each captured thread: all objects of programs share this map. */
#ifndef RETROGRADE_THREAD_STORAGE_H
#define RETROGRADE_THREAD_STORAGE_H

#include "config.h"

#include <bpf/bpf_helpers.h>

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

#endif
