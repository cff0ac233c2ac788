/* exit: 0 */
/* Controls whose answer goes where the argument points: extents, deduplication, and pages and maps of the process. */
#include "check.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* linux/fs.h of newer kernels */
struct region {
    uint64_t start, end, categories;
};

struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, any, wanted;
};

struct map_query {
    uint64_t size, flags, address, start, end, protection, page, offset, inode;
    uint32_t major, minor, name_size, build_size;
    uint64_t name, build;
};

#define SCAN _IOWR('f', 16, struct scan)
#define MAP_QUERY _IOWR('f', 17, struct map_query)

int main(void) {
    struct {
        struct fiemap head;
        struct fiemap_extent extents[8];
    } map = {.head = {.fm_length = ~0ull, .fm_extent_count = 8, .fm_flags = FIEMAP_FLAG_SYNC}};
    struct {
        struct file_dedupe_range head;
        struct file_dedupe_range_info other;
    } same = {.head = {.src_length = 4096, .dest_count = 1}};
    char data[4096], name[256] = "";

    fill_random(data, sizeof data);
    int file = open("data", O_CREAT | O_RDWR, 0600), other = open("other", O_CREAT | O_RDWR, 0600);
    CHECK(write(file, data, sizeof data) == sizeof data && pwrite(file, data, 4096, 1 << 20) == 4096 &&
          write(other, data, sizeof data) == sizeof data);
    int result = ioctl(file, FS_IOC_FIEMAP, &map);
    printf("extents %d: %u\n", result, map.head.fm_mapped_extents);
    for (unsigned i = 0; result == 0 && i < map.head.fm_mapped_extents; i++)
        printf("%llu at %llu, %llu bytes\n", (unsigned long long)map.extents[i].fe_logical,
               (unsigned long long)map.extents[i].fe_physical, (unsigned long long)map.extents[i].fe_length);
    same.other.dest_fd = other;
    result = ioctl(file, FIDEDUPERANGE, &same);
    printf("deduplication %d: %d, %llu\n", result, same.other.status, (unsigned long long)same.other.bytes_deduped);

    char *pages = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pages[0] = pages[3 * 4096] = pages[4 * 4096] = 1;
    struct region regions[8];
    struct scan scan = {
        sizeof scan, 0, (uintptr_t)pages, (uintptr_t)pages + 8 * 4096, 0, (uintptr_t)regions, 8, 0, 0, 8 /* present */,
        0,           8};
    int own = open("/proc/self/pagemap", O_RDONLY);
    long found = own >= 0 ? ioctl(own, SCAN, &scan) : -1;
    printf("scan: %ld\n", found);
    for (long i = 0; i < found; i++)
        printf("%llx to %llx\n", (unsigned long long)regions[i].start, (unsigned long long)regions[i].end);
    uint64_t entry = 0;
    if (own >= 0)
        CHECK(pread(own, &entry, 8, (off_t)((uintptr_t)pages / 4096 * 8)) == 8 && entry >> 63);

    struct map_query query = {
        .size = sizeof query, .address = (uintptr_t)main, .name = (uintptr_t)name, .name_size = 256};
    int maps = open("/proc/self/maps", O_RDONLY);
    result = ioctl(maps, MAP_QUERY, &query);
    printf("map %d: %llx, %s\n", result, (unsigned long long)query.start, name);
    return 0;
}
