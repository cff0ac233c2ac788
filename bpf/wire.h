/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the eBPF programs and retrograde-capture share: the record that travels through a ring, and the copy plan
 * that says which memory belongs to a system call. Event kinds, event flags and segment flags are those of the
 * recording format (docs/reference/recording-format.md): the capture stores them as they come.
 */
#ifndef RETROGRADE_WIRE_H
#define RETROGRADE_WIRE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define RG_MAX_SYSCALLS 512 /* a power of two above the highest number of either architecture */
#define RG_MAX_OPS	6   /* one for each argument */
#define RG_SCRATCH_DATA (64 * 1024)

enum rg_kind {
	RG_SYSCALL = 1,
	RG_ENTER = 2,
	RG_FORK = 3,
	RG_EXEC = 4,
	RG_EXIT = 5,
	RG_SIGNAL = 6,
	RG_SWITCH = 7,
	RG_DATA = 8,
	RG_START = 9,
	RG_MAPPED = 10,
	RG_TRAP = 11,
	RG_WRITTEN = 12,
	RG_CHECKSUM = 13,
};

enum rg_event_flags {
	RG_COMPAT = 1, /* a 32-bit call */
	RG_FAULT = 2,  /* some memory could not be read */
	RG_MORE = 4,   /* DATA records of the same thread follow */
};

enum rg_segment_flags {
	RG_SEG_IN = 1,
	RG_SEG_OUT = 2,
	RG_SEG_ENTER = 4,
	RG_SEG_FAULT = 8,
	RG_SEG_NESTED = 16,
};

enum rg_segment_arg { /* values above the argument numbers 0 to 5 */
		      RG_SEG_FILENAME = 16,
		      RG_SEG_ARGV = 17,
		      RG_SEG_ENVP = 18,
		      RG_SEG_COMM = 19,
		      RG_SEG_CWD = 20,
		      RG_SEG_REGISTERS = 21,
		      RG_SEG_FPREGISTERS = 22,
		      RG_SEG_TLS = 23,
		      RG_SEG_MAPS = 24,
		      RG_SEG_MEMORY = 25,
		      RG_SEG_HANDLER_REGISTERS = 26,
		      RG_SEG_HANDLER_FPREGISTERS = 27,
		      RG_SEG_REGISTER_SET = 28, /* its number as address */
		      RG_SEG_CHECKSUMS = 29,
};

enum rg_trap { /* argument 0 of a TRAP */
	       RG_TRAP_RDTSC = 0,
	       RG_TRAP_RDTSCP = 1,
	       RG_TRAP_CPUID = 2,
	       RG_TRAP_CNTVCT = 3,
	       RG_TRAP_RDRAND = 4,
	       RG_TRAP_RDSEED = 5,
	       RG_TRAP_RDPID = 6,
};

enum rg_written { /* argument 0 of a WRITTEN */
		  RG_WRITTEN_FILE = 0,
		  RG_WRITTEN_PROCESS = 1,
};

/* One event. Segments follow it, each a header and its bytes, padded to 8. */
struct rg_event {
	__u32 size; /* of the whole record with its segments */
	__u8 kind;
	__u8 flags;
	__u16 cpu;
	__u32 pid;
	__u32 tid;
	__s32 nr;
	__u16 segment_count;
	__u16 deferred; /* bit n: the memory of argument n is left to the tracer, which has the thread stopped */
	__u64 enter;	/* ns, CLOCK_BOOTTIME */
	__u64 exit;
	__s64 result;
	__u64 args[6];
};

struct rg_segment {
	__u64 address;
	__u64 full_length;
	__u32 length;
	__u8 arg;
	__u8 flags;
	__u16 reserved;
};

/* The copy plan: made by codegen/ from the syscall table. */
enum rg_op_kind {
	RG_OP_NONE = 0,
	RG_OP_BYTES = 1,   /* length bytes */
	RG_OP_STRING = 2,  /* up to a NUL */
	RG_OP_STRINGS = 3, /* array of pointers to strings, up to a NULL */
	RG_OP_IOVEC = 4,   /* array of struct iovec and the memory it leads to */
	RG_OP_MSGHDR = 5,
	RG_OP_MMSGHDR = 6,
	RG_OP_IOCTL = 7, /* direction and size from the number in argument 1 */
};

enum rg_op_flags {
	RG_OP_IN = 1,
	RG_OP_OUT = 2,
	RG_OP_ALWAYS = 4,  /* written though the call fails */
	RG_OP_PAYLOAD = 8, /* bulk data, cut at the snaplen in observe grade */
};

enum rg_length_kind {
	RG_LEN_NONE = 0,    /* no such term */
	RG_LEN_CONST = 1,   /* value is multiplier */
	RG_LEN_ARG = 2,	    /* args[arg] * multiplier */
	RG_LEN_RET = 3,	    /* result * multiplier, 0 where negative */
	RG_LEN_DEREF32 = 4, /* *(u32 *)args[arg] * multiplier; the smaller of its values at enter and at exit */
	RG_LEN_DEREF64 = 5,
	RG_LEN_BITMAP = 6, /* bits in args[arg], rounded up to 64, in bytes */
	/* The same of an argument of which the kernel takes the low 32 bits; a negative int counts nothing. */
	RG_LEN_ARG_U32 = 7,
	RG_LEN_ARG_I32 = 8,
	RG_LEN_BITMAP_U32 = 9,
	RG_LEN_BITMAP_I32 = 10,
};

struct rg_length {
	__u8 kind;
	__u8 arg;
	__u16 addend; /* bytes on top of an ARG, RET or DEREF: a fixed part before what is counted */
	__u32 multiplier;
};

/* The memory of one argument; its length is the smaller of the terms that are there. */
struct rg_op {
	__u8 kind;
	__u8 arg;
	__u8 flags;
	__u8 reserved;
	__u32 reserved2;
	struct rg_length length[2];
};

enum rg_plan_flags {
	RG_PLAN_ENTER = 1,	/* copy `in` memory at enter */
	RG_PLAN_DEREF = 2,	/* some length is a DEREF: keep its value at enter */
	RG_PLAN_VARIANTS = 4,	/* look up by command: (nr, args[selector] & selector_mask) */
	RG_PLAN_NORETURN = 8,	/* emit an ENTER record at enter */
	RG_PLAN_IRREGULAR = 16, /* memory that this plan cannot say: the tracer's, where there is one */
};

struct rg_plan {
	__u8 op_count;
	__u8 flags;
	__u8 selector; /* argument that selects the variant */
	__u8 deref_arg;
	__u32 selector_mask; /* bits of that argument that the command is in: a futex's has flags beside it */
	struct rg_op ops[RG_MAX_OPS];
};

struct rg_variant_key {
	__u32 nr;
	__u32 command;
};

#endif
