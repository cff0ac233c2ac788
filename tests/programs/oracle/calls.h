/* What the cases of the memory oracle share: poisoned memory, the macros that make a call, and things to call upon. */
#ifndef ORACLE_CALLS_H
#define ORACLE_CALLS_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/capability.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <asm/prctl.h>
#endif

/* Numbers that are newer than some C libraries; the same on both architectures. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_map_shadow_stack
#define SYS_map_shadow_stack 453
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#define SYS_listmount 458
#endif
#ifndef SYS_lsm_get_self_attr
#define SYS_lsm_get_self_attr 459
#define SYS_lsm_set_self_attr 460
#define SYS_lsm_list_modules 461
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif

enum { poison = 0x5a, arena_size = 1 << 18, slot_size = 1 << 14, lacking = 77 };

extern unsigned char *arena;

/* Poisoned memory, away from all other. */
void *slot(void);
/* The same, holding a copy of `size` bytes. */
void *slot_with(const void *bytes, size_t size);
#define SLOT_OF(type, ...) slot_with(&(type)__VA_ARGS__, sizeof(type))
socklen_t *length_slot(socklen_t value);

/* CALL must succeed, or this kernel lacks the call or forbids it; FAILS must fail; TRY may do either. */
long succeeds(const char *name, long value);
long fails(const char *name, long value);
#define TRY(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
#define CALL(name, ...) succeeds(#name, TRY(name, ##__VA_ARGS__))
#define FAILS(name, ...) fails(#name, TRY(name, ##__VA_ARGS__))
/* Of what a case needs beforehand. */
void need(bool so);

int file_with_data(void);
/* A folder in the current one, and a file in it. */
const char *folder(void);
const char *named_file(void);
void pair(int ends[2], int type);
/* A listener on loopback. */
int listener(struct sockaddr_in *address);
/* A connected TCP client, whose server end is in `server`. */
int connected(int *server);
struct iovec *iovecs(int count, size_t each);
void on_signal(int number);
/* A signal in 50 ms. */
void interrupt_soon(void);
/* A child that waits until it is killed. */
pid_t waiting_child(void);
/* Mounts of this process alone, all private. */
void own_mounts(void);

void add_case(const char *name, void (*run)(void));
#define CASE(name)                                                                                                     \
    static void case_##name(void);                                                                                     \
    __attribute__((constructor)) static void add_##name(void) {                                                        \
        add_case(#name, case_##name);                                                                                  \
    }                                                                                                                  \
    static void case_##name(void)

#endif
