/* exit: 0 */
/* Protection keys, sealed maps, secret memory and a map moved by remap_file_pages: where the machine has them. */
#include "check.h"

#include <sys/mman.h>
#include <sys/syscall.h>

int main(void) {
    char *map = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    for (int i = 0; i < 4; i++)
        map[i * 4096] = (char)('a' + i);
    if (syscall(SYS_remap_file_pages, map, 4096l, 0, 2l, 0) == 0)
        CHECK(map[0] == 'c');
    int key = pkey_alloc(0, 0);
    printf("key %d\n", key);
    if (key >= 0)
        CHECK(pkey_mprotect(map, 4096, PROT_READ | PROT_WRITE, key) == 0 && (map[1] = 5) == 5 &&
              pkey_set(key, PKEY_DISABLE_WRITE) == 0 && pkey_get(key) == PKEY_DISABLE_WRITE && map[1] == 5 &&
              pkey_free(key) == 0);
    else
        CHECK(errno == ENOSPC || errno == ENOSYS || errno == EINVAL);
    long result = syscall(SYS_pkey_mprotect, map + 4096, 4096l, PROT_READ, -1);
    CHECK(result == 0 || absent(result, "pkey_mprotect"));
    CHECK(syscall(SYS_pkey_free, 1000) == -1);
    long sealed = syscall(462 /* mseal */, map + 8192, 4096l, 0l);
    if (!absent(sealed, "mseal"))
        CHECK(sealed == 0 && munmap(map + 8192, 4096) == -1 && errno == EPERM);
    int secret = (int)syscall(447 /* memfd_secret */, 0);
    if (!absent(secret, "memfd_secret")) {
        CHECK(secret >= 0 && ftruncate(secret, 4096) == 0);
        uint64_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
        if (page != MAP_FAILED) {
            page[0] = random_word();
            printf("secret %016llx\n", (unsigned long long)page[0]);
        }
    }
    void *huge = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    printf("map %p, huge pages %d\n", (void *)map, huge != MAP_FAILED);
    return 0;
}
