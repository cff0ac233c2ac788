/* usage: empty OBJECT COMMAND [ARGUMENT...] - runs a command while the eBPF programs of a file are attached. */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct bpf_object *object = argc > 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
    struct bpf_program *program;
    int status = 1;

    if (!object || bpf_object__load(object))
        return 1;
    bpf_object__for_each_program(program, object) if (!bpf_program__attach(program)) return 1;
    const pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
