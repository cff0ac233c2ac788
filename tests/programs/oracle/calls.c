/*
 * One case for each system call: makes it, on poisoned memory, so that every byte the kernel writes is a change.
 * usage: calls CASE | calls --list. Exits with 77 where this kernel does not have the call (ENOSYS) or forbids it.
 */
#include "calls.h"

unsigned char *arena;
static int next_slot;
static char folder_name[] = "calls-XXXXXX", file_name[64];
static bool has_folder;
static struct {
    const char *name;
    void (*run)(void);
} cases[1024];
static int case_count;

void add_case(const char *name, void (*run)(void)) {
    cases[case_count].name = name;
    cases[case_count++].run = run;
}

void *slot(void) {
    return arena + slot_size * (next_slot++ % (arena_size / slot_size)) + 512;
}

void *slot_with(const void *bytes, size_t size) {
    return memcpy(slot(), bytes, size);
}

socklen_t *length_slot(socklen_t value) {
    return slot_with(&value, sizeof value);
}

long succeeds(const char *name, long value) {
    if (value != -1)
        return value;
    fprintf(stderr, "%s: %s\n", name, strerror(errno));
    exit(errno == ENOSYS || errno == EPERM || errno == EOPNOTSUPP ? lacking : 1);
}

long fails(const char *name, long value) {
    if (value == -1)
        return value;
    fprintf(stderr, "%s: succeeded with %ld\n", name, value);
    exit(1);
}

void need(bool so) {
    if (so)
        return;
    perror("the case's preparation");
    exit(errno == ENOSYS || errno == EPERM || errno == EOPNOTSUPP ? lacking : 1);
}

const char *folder(void) {
    if (!has_folder)
        need(mkdtemp(folder_name) != NULL);
    has_folder = true;
    return folder_name;
}

const char *named_file(void) {
    sprintf(file_name, "%s/file", folder());
    int fd = open(file_name, O_CREAT | O_WRONLY, 0600);
    need(fd >= 0 && write(fd, "some data", 9) == 9);
    close(fd);
    return file_name;
}

int file_with_data(void) {
    char name[] = "/tmp/oracle-calls-XXXXXX", data[10000];
    int fd = mkstemp(name);
    unlink(name);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = "some data "[i % 10];
    need(write(fd, data, sizeof data) == sizeof data);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

void pair(int ends[2], int type) {
    need(socketpair(AF_UNIX, type, 0, ends) == 0);
}

int listener(struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    need(bind(fd, (void *)address, length) == 0);
    need(listen(fd, 1) == 0 && getsockname(fd, (void *)address, &length) == 0);
    return fd;
}

int connected(int *server) {
    struct sockaddr_in address;
    int accepting = listener(&address), client = socket(AF_INET, SOCK_STREAM, 0);
    need(connect(client, (void *)&address, sizeof address) == 0);
    *server = accept(accepting, NULL, NULL);
    return client;
}

struct iovec *iovecs(int count, size_t each) {
    struct iovec *vector = slot();
    for (int i = 0; i < count; i++)
        vector[i] = (struct iovec){slot(), each};
    return vector;
}

void on_signal(int number) {
    (void)number;
}

void interrupt_soon(void) {
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGALRM, &action, NULL);
    /* Again and again, since on a slow machine the call may not have begun by then. */
    struct itimerval timer = {{0, 200000}, {0, 50000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

pid_t waiting_child(void) {
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (true)
            pause();
    }
    return child;
}

void own_mounts(void) {
    need(unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    const bool list = strcmp(argv[1], "--list") == 0;
    arena = mmap(NULL, arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(arena, poison, arena_size);
    for (int i = 0; i < case_count; i++) {
        if (list) {
            puts(cases[i].name);
        } else if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return !list;
}
