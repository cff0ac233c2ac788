/* exit: 0 */
/* posix_spawn with file actions and attributes. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

extern char **environ;

int main(int argc, char **argv) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t mask;
    pid_t child;
    char text[200];

    if (argc == 2) {
        CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGUSR1));
        printf("spawned %d in group %d\n", getpid(), getpgrp());
        return 17;
    }
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
    CHECK(posix_spawn_file_actions_addopen(&actions, 1, "out", O_CREAT | O_WRONLY, 0600) == 0 &&
          posix_spawn_file_actions_addclose(&actions, 0) == 0);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    CHECK(posix_spawnattr_setsigmask(&attributes, &mask) == 0 && posix_spawnattr_setpgroup(&attributes, 0) == 0 &&
          posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP) == 0);
    char *words[] = {argv[0], "spawned", NULL};
    CHECK(posix_spawn(&child, "/proc/self/exe", &actions, &attributes, words, environ) == 0);
    join(child, 17);
    FILE *file = fopen("out", "r");
    CHECK(file && fgets(text, sizeof text, file));
    printf("%d: %s", child, text);
    CHECK(posix_spawn(&child, "/does/not/exist", NULL, NULL, words, environ) == ENOENT);
    CHECK(posix_spawnp(&child, "true", NULL, NULL, (char *[]){"true", NULL}, environ) == 0);
    join(child, 0);
    return 0;
}
