#include "capture/call_memory.h"

#include "capture/irregular_memory.h"
#include "capture/syscall_table.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/ioctl.h>
#include <sys/uio.h>
#include <vector>

namespace retrograde {

namespace {

constexpr std::uint64_t page = 4096;            // the smallest there is
constexpr std::uint64_t max_iovecs = 1024;      // UIO_MAXIOV
constexpr std::uint64_t max_string = 128 << 10; // MAX_ARG_STRLEN, the longest that the kernel takes anywhere
constexpr std::uint64_t max_address = 128;      // sizeof(struct sockaddr_storage)

// As user memory has them, on both architectures.
struct UserIovec {
    std::uint64_t base, length;
};
struct UserMessage {
    std::uint64_t name;
    std::uint32_t name_length, pad;
    std::uint64_t iovecs, iovec_count, control, control_length;
    std::uint32_t flags, pad2;
};
struct UserManyMessage {
    UserMessage message;
    std::uint32_t length, pad;
};
static_assert(sizeof(UserMessage) == 56 && sizeof(UserManyMessage) == 64);

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

std::uint64_t saturating_product(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<std::uint64_t>::max() : product;
}

std::uint64_t scaled(std::uint64_t value, const rg_length &length) {
    const std::uint64_t product = saturating_product(value, length.multiplier);
    std::uint64_t sum;
    return __builtin_add_overflow(product, length.addend, &sum) ? product : sum;
}

// Walks the plan of one call.
class Walk {
  public:
    Walk(const ProcessMemory &memory, const rg_event &event, std::uint64_t deref, Snaplen snaplen,
         const RangeVisitor &visit)
        : memory_(memory), event_(event), deref_(deref), snaplen_(snaplen), visit_(visit),
          at_enter_(event.kind == RG_ENTER), faulted_(!at_enter_ && event.result == -EFAULT) {}

    void op(const rg_op &op, bool in_was_at_enter);

  private:
    void range(std::uint8_t flags, std::uint64_t address, std::uint64_t length, std::uint64_t keep) {
        if (address != 0 && length != 0)
            visit_({address, length, std::min(length, keep), arg_, flags});
    }
    std::uint64_t snaplen_of(unsigned flags) const { return flags & RG_SEG_OUT ? snaplen_.out : snaplen_.in; }
    void strings(std::uint8_t flags, std::uint64_t address);
    void iovecs(std::uint8_t flags, std::uint64_t address, std::uint64_t count, std::uint64_t limit);
    void message(std::uint8_t flags, std::uint64_t address, std::uint64_t limit);
    void messages(std::uint8_t flags, std::uint64_t address, std::uint64_t count);
    void ioctl_argument(std::uint8_t moment, std::uint64_t address);
    std::uint64_t term(const rg_length &length) const;
    // The call's result, as the bound of what it transferred.
    std::uint64_t transferred() const {
        if (at_enter_ || faulted_)
            return unlimited;
        return static_cast<std::uint64_t>(std::max<std::int64_t>(event_.result, 0));
    }

    const ProcessMemory &memory_;
    const rg_event &event_;
    std::uint64_t deref_;
    Snaplen snaplen_;
    const RangeVisitor &visit_;
    bool at_enter_;
    bool faulted_; // some memory was not there; what stood before it may have been written, as far as to the whole
    std::uint8_t arg_ = 0;
};

void Walk::op(const rg_op &op, bool in_was_at_enter) {
    unsigned direction = op.flags & (RG_OP_IN | RG_OP_OUT);
    if (at_enter_ || (event_.result < 0 && !faulted_ && !(op.flags & RG_OP_ALWAYS)))
        direction &= ~RG_OP_OUT; // what it read is of interest though it failed
    if (!at_enter_ && in_was_at_enter)
        direction &= ~RG_OP_IN;
    arg_ = op.arg < 6 ? op.arg : 0;
    const std::uint64_t address = event_.args[arg_];
    const std::uint8_t moment = at_enter_ ? RG_SEG_ENTER : 0;
    if (address == 0)
        return;
    if (op.kind == RG_OP_IOCTL) { // its direction is in the command
        ioctl_argument(moment, address);
        return;
    }
    if (direction == 0)
        return;
    const auto flags = static_cast<std::uint8_t>((direction & RG_OP_IN ? RG_SEG_IN : 0) |
                                                 (direction & RG_OP_OUT ? RG_SEG_OUT : 0) | moment);
    const std::uint64_t first = term(op.length[0]), length = std::min(first, term(op.length[1]));
    switch (op.kind) {
    case RG_OP_BYTES:
        range(flags, address, length, op.flags & RG_OP_PAYLOAD ? snaplen_of(flags) : length);
        break;
    case RG_OP_STRING: {
        auto text = memory_.string(address, max_string);
        // An unreadable string is told by an unreadable byte behind what can be read of it.
        const std::uint64_t full = text.whole || text.length >= max_string ? text.length : text.length + 1;
        range(flags, address, full, full);
        break;
    }
    case RG_OP_STRINGS:
        strings(flags, address);
        break;
    case RG_OP_IOVEC:
        iovecs(flags, address, first, transferred());
        break;
    case RG_OP_MSGHDR:
        message(flags, address, transferred());
        break;
    case RG_OP_MMSGHDR:
        messages(flags, address, length);
        break;
    default:
        break;
    }
}

void Walk::strings(std::uint8_t flags, std::uint64_t address) {
    // First the pointers with their NULL, then each string.
    std::vector<std::uint64_t> pointers;
    std::uint64_t pointer = 0;
    constexpr std::size_t max_pointers = 1 << 20; // more do not fit into the 6 MiB that exec takes at most
    for (bool readable = true; readable && pointers.size() < max_pointers;) {
        readable = memory_.get(address + pointers.size() * sizeof pointer, pointer);
        pointers.push_back(pointer);
        if (readable && pointer == 0)
            break;
        if (!readable)
            pointers.back() = 0;
    }
    const std::uint64_t length = pointers.size() * sizeof pointer;
    range(flags, address, length, length);
    for (std::uint64_t text : pointers)
        if (text != 0) {
            auto found = memory_.string(text, max_string);
            const std::uint64_t full = found.whole || found.length >= max_string ? found.length : found.length + 1;
            range(flags | RG_SEG_NESTED, text, full, full);
        }
}

// The array, and the memory it leads to, `limit` bytes of it altogether.
void Walk::iovecs(std::uint8_t flags, std::uint64_t address, std::uint64_t count, std::uint64_t limit) {
    count = std::min(count, max_iovecs);
    if (address == 0 || count == 0)
        return;
    const std::uint64_t size = count * sizeof(UserIovec);
    range(static_cast<std::uint8_t>(RG_SEG_IN | (flags & (RG_SEG_NESTED | RG_SEG_ENTER))), address, size, size);
    std::vector<UserIovec> array(count);
    const std::size_t readable = memory_.read(address, array.data(), size) / sizeof(UserIovec);
    std::uint64_t room = snaplen_of(flags);
    for (std::size_t i = 0; i < readable && limit > 0; i++) {
        const std::uint64_t length = std::min(array[i].length, limit);
        const std::uint64_t keep = std::min(length, room);
        limit -= length;
        room -= keep;
        range(flags | RG_SEG_NESTED, array[i].base, length, keep);
    }
}

void Walk::message(std::uint8_t flags, std::uint64_t address, std::uint64_t limit) {
    UserMessage header;
    range(flags, address, sizeof header, sizeof header);
    if (!memory_.get(address, header))
        return;
    const std::uint8_t nested = flags | RG_SEG_NESTED;
    const std::uint64_t name_length = std::min<std::uint64_t>(header.name_length, max_address);
    range(nested, header.name, name_length, name_length);
    range(nested, header.control, header.control_length, header.control_length);
    iovecs(nested, header.iovecs, header.iovec_count, limit);
}

void Walk::messages(std::uint8_t flags, std::uint64_t address, std::uint64_t count) {
    count = std::min(count, max_iovecs);
    const std::uint64_t done = transferred();
    for (std::uint64_t i = 0; i < count; i++) {
        const std::uint64_t at = address + i * sizeof(UserManyMessage);
        UserManyMessage header{};
        if (i >= done) { // not touched, but of interest: what was asked for
            range(flags & ~RG_SEG_OUT, at, sizeof header, sizeof header);
            continue;
        }
        const bool readable = memory_.get(at, header);
        message(flags, at, at_enter_ || faulted_ ? unlimited : header.length);
        // The kernel writes it in sendmmsg as well.
        const unsigned length_flags = at_enter_ ? flags : flags | RG_SEG_OUT;
        range(static_cast<std::uint8_t>(length_flags), at + sizeof(UserMessage), sizeof header.length,
              sizeof header.length);
        if (!readable)
            return;
    }
}

void Walk::ioctl_argument(std::uint8_t moment, std::uint64_t address) {
    const auto command = static_cast<std::uint32_t>(event_.args[1]);
    unsigned flags = moment;
    if (_IOC_DIR(command) & _IOC_WRITE) // the program writes, the kernel reads
        flags |= RG_SEG_IN;
    if ((_IOC_DIR(command) & _IOC_READ) && !at_enter_ && (event_.result >= 0 || faulted_))
        flags |= RG_SEG_OUT;
    if (flags & (RG_SEG_IN | RG_SEG_OUT))
        range(static_cast<std::uint8_t>(flags), address, _IOC_SIZE(command), _IOC_SIZE(command));
}

std::uint64_t Walk::term(const rg_length &length) const {
    std::uint64_t argument = event_.args[length.arg < 6 ? length.arg : 0];
    if (length.kind == RG_LEN_ARG_U32 || length.kind == RG_LEN_BITMAP_U32)
        argument = static_cast<std::uint32_t>(argument);
    else if (length.kind == RG_LEN_ARG_I32 || length.kind == RG_LEN_BITMAP_I32)
        argument = static_cast<std::uint64_t>(std::max(static_cast<std::int32_t>(argument), 0));
    switch (length.kind) {
    case RG_LEN_CONST:
        return length.multiplier;
    case RG_LEN_ARG:
    case RG_LEN_ARG_U32:
    case RG_LEN_ARG_I32:
        return scaled(argument, length);
    case RG_LEN_RET:
        if (at_enter_ || faulted_)
            return unlimited;
        return event_.result >= 0 ? scaled(static_cast<std::uint64_t>(event_.result), length) : 0;
    case RG_LEN_BITMAP:
    case RG_LEN_BITMAP_U32:
    case RG_LEN_BITMAP_I32:
        return (std::min<std::uint64_t>(argument, 1 << 30) + 63) / 64 * 8;
    case RG_LEN_DEREF32:
    case RG_LEN_DEREF64: {
        std::uint64_t value = 0;
        memory_.read(argument, &value, length.kind == RG_LEN_DEREF32 ? 4 : 8);
        return scaled(at_enter_ ? value : std::min(value, deref_), length);
    }
    default:
        return std::numeric_limits<std::uint64_t>::max();
    }
}

} // namespace

std::size_t ProcessMemory::read(std::uint64_t address, void *into, std::size_t length) const {
    std::size_t done = 0;
    while (done < length) {
        iovec local{static_cast<char *>(into) + done, length - done};
        iovec remote{reinterpret_cast<void *>(address + done), length - done};
        ssize_t got = ::process_vm_readv(pid_, &local, 1, &remote, 1, 0);
        if (got <= 0)
            break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

ProcessMemory::String ProcessMemory::string(std::uint64_t address, std::uint64_t limit) const {
    char bytes[page];
    std::uint64_t done = 0;
    // The first look is short, as most strings are; the others end with their page.
    for (std::uint64_t step = 256; done < limit; step = page) {
        const std::uint64_t rest_of_page = page - (address + done) % page;
        const std::size_t length = std::min({rest_of_page, step, limit - done});
        const std::size_t got = read(address + done, bytes, length);
        if (const void *end = std::memchr(bytes, 0, got))
            return {done + static_cast<std::uint64_t>(static_cast<const char *>(end) - bytes) + 1, true};
        done += got;
        if (got < length)
            break;
    }
    return {done, false};
}

std::uint64_t read_deref(const ProcessMemory &memory, int nr, const __u64 args[6]) {
    const rg_plan *plan = plan_for(nr, args);
    if (!plan || !(plan->flags & RG_PLAN_DEREF) || plan->deref_arg >= 6)
        return 0;
    std::uint32_t value = 0; // no call takes a buffer of 4 GiB, and all lengths are little-endian
    memory.get(args[plan->deref_arg], value);
    return value;
}

void visit_call_memory(const ProcessMemory &memory, const rg_event &event, std::uint64_t deref_at_enter,
                       Snaplen snaplen, const RangeVisitor &visit) {
    if (event.flags & RG_COMPAT)
        return;
    const rg_plan *plan = plan_for(event.nr, event.args);
    if (!plan)
        return;
    // A successful exec has replaced the memory that it read.
    const bool in_was_at_enter = (plan->flags & RG_PLAN_ENTER) && event.result >= 0;
    Walk walk(memory, event, deref_at_enter, snaplen, visit);
    for (unsigned i = 0; i < plan->op_count && i < RG_MAX_OPS; i++)
        walk.op(plan->ops[i], in_was_at_enter);
    if (plan->flags & RG_PLAN_IRREGULAR)
        visit_irregular_memory(memory, event, visit);
}

} // namespace retrograde
