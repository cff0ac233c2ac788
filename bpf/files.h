/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Files whose content somebody sees in memory: changes to them are to be recorded. */
#ifndef RETROGRADE_FILES_H
#define RETROGRADE_FILES_H

#include "maps.h"

#define O_TRUNC		      01000  /* include/uapi/asm-generic/fcntl.h */
#define PROC_SUPER_MAGIC      0x9fa0 /* include/uapi/linux/magic.h */
#define OVERLAYFS_SUPER_MAGIC 0x794c7630

/* Files of overlay file systems are mapped: such a file's own page cache does not say so. */
__u32 overlay_is_mapped;

/*
 * Whether the file of a descriptor of this process is mapped by anybody, or may be a process's memory (in /proc). A
 * global function: the verifier looks at it once.
 */
__noinline int is_seen_in_memory(u32 fd)
{
	struct task_struct *task = THIS_TASK();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **place, *file = NULL;
	unsigned long magic;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return false;
	place = BPF_CORE_READ(table, fd) + fd;
	if (bpf_probe_read_kernel(&file, sizeof(file), place) || !file)
		return false;
	if (BPF_CORE_READ(file, f_mapping, i_mmap.rb_root.rb_node))
		return true;
	magic = BPF_CORE_READ(file, f_inode, i_sb, s_magic);
	return magic == PROC_SUPER_MAGIC || (magic == OVERLAYFS_SUPER_MAGIC && overlay_is_mapped);
}

/* Whether a call that has succeeded may have changed such a file. */
static __always_inline bool changes_seen_file(u32 how, const u64 *args, long result)
{
	u32 fd;

	switch (how) {
	case RG_CHANGES_ARG0:
		fd = args[0];
		break;
	case RG_CHANGES_ARG2:
		fd = args[2];
		break;
	case RG_CHANGES_RESULT_ARG1:
		if (!(args[1] & O_TRUNC))
			return false;
		fd = result;
		break;
	case RG_CHANGES_RESULT_ARG2:
		if (!(args[2] & O_TRUNC))
			return false;
		fd = result;
		break;
	case RG_CHANGES_RESULT:
		fd = result;
		break;
	default:
		return how == RG_CHANGES_PATH;
	}
	return is_seen_in_memory(fd);
}

#endif
