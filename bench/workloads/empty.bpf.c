/* Nothing, at the start and at the end of every system call: what it costs to be there at all. */
#define SEC(name) __attribute__((section(name), used))

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("raw_tp/sys_enter") int on_sys_enter(void *context) {
    return 0;
}

SEC("raw_tp/sys_exit") int on_sys_exit(void *context) {
    return 0;
}
