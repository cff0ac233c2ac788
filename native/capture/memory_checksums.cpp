#include "capture/memory_checksums.h"

#include "base/page_checksum.h"
#include "base/pagemap.h"
#include "base/unique_fd.h"
#include "capture/memory_map.h"

#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <utility>

namespace retrograde {

namespace {

// What is reserved and hardly used (the shadow memory of sanitizers) is not searched for pages.
constexpr std::uint64_t longest_mapping = 64ull << 30;
constexpr std::size_t pages_at_once = 256;
constexpr std::size_t row_pages = 65536, row_segments = 8192;

class Rows {
  public:
    explicit Rows(const rg_event &header)
        : header_(header),
          memory_(::open(("/proc/" + std::to_string(header.tid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC)),
          page_size_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))), buffer_(pages_at_once * page_size_) {
        header_.args[1] = page_size_;
    }

    // Addresses must rise.
    void add(std::uint64_t address) {
        if (unread_ != 0 && (unread_ == pages_at_once || first_ + unread_ * page_size_ != address))
            read();
        if (unread_++ == 0)
            first_ = address;
    }

    std::vector<WireRecord> take() {
        read();
        end_row();
        return std::move(rows_);
    }

  private:
    struct Run {
        std::uint64_t address;
        std::vector<std::uint32_t> sums;
    };

    void read() {
        const std::size_t length = std::exchange(unread_, 0) * page_size_;
        const ssize_t got = ::pread(memory_.get(), buffer_.data(), length, static_cast<off_t>(first_));
        const std::size_t pages = got > 0 ? static_cast<std::size_t>(got) / page_size_ : 0;
        if (pages == 0)
            return;
        if (pages_ + pages > row_pages || runs_.size() == row_segments)
            end_row();
        if (runs_.empty() || runs_.back().address + runs_.back().sums.size() * page_size_ != first_)
            runs_.push_back({first_, {}});
        for (std::size_t page = 0; page < pages; page++)
            runs_.back().sums.push_back(page_checksum(buffer_.data() + page * page_size_, page_size_));
        pages_ += pages;
    }

    void end_row() {
        header_.args[0] = std::exchange(pages_, 0);
        WireRecordBuilder row(header_);
        for (const Run &run : runs_)
            row.add(RG_SEG_CHECKSUMS, 0, run.address,
                    {reinterpret_cast<const unsigned char *>(run.sums.data()), run.sums.size() * sizeof run.sums[0]});
        rows_.push_back(row.take());
        runs_.clear();
    }

    rg_event header_;
    UniqueFd memory_; // reads what the process itself may not, too
    std::uint64_t page_size_;
    std::vector<unsigned char> buffer_;
    std::uint64_t first_ = 0; // of the pages that have not been read
    std::size_t unread_ = 0;
    std::vector<Run> runs_; // of the row
    std::size_t pages_ = 0;
    std::vector<WireRecord> rows_;
};

} // namespace

std::vector<WireRecord> checksum_memory(pid_t pid, pid_t tid, std::uint64_t time) {
    Rows rows(make_event(RG_CHECKSUM, -1, pid, tid, time));
    for (const Mapping &mapping : read_memory_map(tid)) // the main thread may be gone
        if (!mapping.is_shared() && mapping.length() <= longest_mapping)
            visit_pages(tid, mapping.start, mapping.end, [&](std::uint64_t address, PageState page) {
                if (page.is_there && !page.is_of_file)
                    rows.add(address);
            });
    return rows.take();
}

} // namespace retrograde
