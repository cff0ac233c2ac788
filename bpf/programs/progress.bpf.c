// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The calls that captured threads are in when a capture ends: an iterator over all tasks, which writes an ENTER record
 * for each. It is loaded at the end, and only if threads are left.
 */
#include "vmlinux.h"

#include "thread_storage.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct seq_file;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

SEC("iter/task")
int each_task(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct rg_event event = {};
	struct rg_thread *thread;

	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, NULL, 0);
	if (!thread || !thread->in_call || thread->awaits_execve || thread->ended)
		return 0;
	event.size = sizeof(event);
	event.kind = RG_ENTER;
	event.flags = thread->compat ? RG_COMPAT : 0;
	event.pid = task->tgid;
	event.tid = task->pid;
	event.nr = thread->nr;
	event.enter = thread->enter;
	event.exit = thread->enter;
	for (int i = 0; i < 6; i++)
		event.args[i] = thread->args[i];
	bpf_seq_write(context->meta->seq, &event, sizeof(event));
	return 0;
}
