#include "capture/kernel_types.h"

#include "base/unique_fd.h"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <linux/btf.h>
#include <span>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unordered_map>
#include <vector>

namespace retrograde {

namespace {

constexpr const char *kernel_btf = "/sys/kernel/btf/vmlinux";

// Kinds newer than the oldest headers this builds with (linux/btf.h of 5.16, 5.17 and 6.0).
constexpr unsigned kind_decl_tag = 17, kind_type_tag = 18, kind_enum64 = 19;

// The kernel's BTF: mapped where the kernel can (6.16), else read, 4 KiB at a time as sysfs gives it.
class Bytes {
  public:
    Bytes() {
        UniqueFd file(::open(kernel_btf, O_RDONLY | O_CLOEXEC));
        struct stat status {};
        if (!file || ::fstat(file.get(), &status) != 0 || status.st_size <= 0)
            return;
        size_ = static_cast<std::size_t>(status.st_size);
        void *mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
        if (mapped != MAP_FAILED) {
            mapped_ = mapped;
            return;
        }
        copy_.resize(size_);
        std::size_t done = 0;
        for (ssize_t got; done < size_ && (got = ::read(file.get(), copy_.data() + done, size_ - done)) > 0;)
            done += static_cast<std::size_t>(got);
        size_ = done;
    }
    ~Bytes() {
        if (mapped_)
            ::munmap(mapped_, size_);
    }
    Bytes(const Bytes &) = delete;

    std::span<const unsigned char> all() const {
        return {mapped_ ? static_cast<const unsigned char *>(mapped_) : copy_.data(), size_};
    }

  private:
    void *mapped_ = nullptr;
    std::size_t size_ = 0;
    std::vector<unsigned char> copy_;
};

// Bytes behind a type's head; nothing for an unknown kind.
std::optional<std::size_t> tail_size(const btf_type &type) {
    const std::size_t count = BTF_INFO_VLEN(type.info);
    switch (BTF_INFO_KIND(type.info)) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case kind_decl_tag:
        return 4;
    case BTF_KIND_ARRAY:
        return sizeof(btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        return count * sizeof(btf_member);
    case BTF_KIND_ENUM:
        return count * sizeof(btf_enum);
    case kind_enum64:
        return count * 12;
    case BTF_KIND_FUNC_PROTO:
        return count * sizeof(btf_param);
    case BTF_KIND_DATASEC:
        return count * sizeof(btf_var_secinfo);
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case kind_type_tag:
        return 0;
    default:
        return std::nullopt;
    }
}

class Extract {
  public:
    // The types of the whole, each at its offset; false where they are not as expected.
    bool index(std::span<const unsigned char> whole) {
        btf_header header;
        if (whole.size() < sizeof header)
            return false;
        std::memcpy(&header, whole.data(), sizeof header);
        const std::uint64_t types = std::uint64_t{header.hdr_len} + header.type_off;
        const std::uint64_t strings = std::uint64_t{header.hdr_len} + header.str_off;
        if (header.magic != BTF_MAGIC || header.version != BTF_VERSION || types + header.type_len > whole.size() ||
            strings + header.str_len > whole.size() || header.str_len == 0 || whole[strings + header.str_len - 1] != 0)
            return false;
        types_ = whole.subspan(types, header.type_len);
        strings_ = whole.subspan(strings, header.str_len);
        offsets_.reserve(types_.size() / 24);
        offsets_.push_back(0);
        for (std::size_t at = 0; at < types_.size();) {
            if (types_.size() - at < sizeof(btf_type))
                return false;
            const auto tail = tail_size(type_at(at));
            if (!tail || types_.size() - at - sizeof(btf_type) < *tail)
                return false;
            offsets_.push_back(static_cast<std::uint32_t>(at));
            at += sizeof(btf_type) + *tail;
        }
        return true;
    }

    std::uint32_t count() const { return static_cast<std::uint32_t>(offsets_.size()); }
    const btf_type &type(std::uint32_t id) const { return type_at(offsets_[id]); }
    const char *name(std::uint32_t offset) const {
        return reinterpret_cast<const char *>(strings_.data()) + (offset < strings_.size() ? offset : 0);
    }

    // Adds a type, and before it those that it holds. Returns its number here; 0 is void.
    std::uint32_t add(std::uint32_t id) {
        if (id == 0 || id >= offsets_.size())
            return 0;
        if (auto known = added_.find(id); known != added_.end())
            return known->second;
        const btf_type &from = type(id);
        const unsigned kind = BTF_INFO_KIND(from.info);
        std::uint32_t number;
        switch (kind) {
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case kind_type_tag:
            number = add(from.type);
            break;
        case BTF_KIND_PTR:
            if (!pointer_)
                pointer_ = put({0, BTF_KIND_PTR << 24, {0}}, {});
            number = pointer_;
            break;
        case BTF_KIND_ARRAY: {
            btf_array array;
            std::memcpy(&array, &from + 1, sizeof array);
            array.type = add(array.type);
            array.index_type = add(array.index_type);
            number = put({0, from.info, {0}}, {reinterpret_cast<unsigned char *>(&array), sizeof array});
            break;
        }
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION: {
            const auto *members = reinterpret_cast<const btf_member *>(&from + 1);
            std::vector<btf_member> copy(members, members + BTF_INFO_VLEN(from.info));
            for (btf_member &member : copy) {
                member.type = add(member.type);
                member.name_off = string(member.name_off);
            }
            number = put({string(from.name_off), from.info, {from.size}},
                         {reinterpret_cast<unsigned char *>(copy.data()), copy.size() * sizeof(btf_member)});
            break;
        }
        case BTF_KIND_ENUM: // without its values
        case kind_enum64:
            number = put({string(from.name_off), BTF_KIND_ENUM << 24, {from.size}}, {});
            break;
        case BTF_KIND_INT:
        case BTF_KIND_FLOAT:
            number = put({string(from.name_off), from.info, {from.size}},
                         {reinterpret_cast<const unsigned char *>(&from + 1), kind == BTF_KIND_INT ? 4u : 0u});
            break;
        default:
            number = 0;
        }
        return added_[id] = number;
    }

    bool write(int file) const {
        btf_header header{};
        header.magic = BTF_MAGIC;
        header.version = BTF_VERSION;
        header.hdr_len = sizeof header;
        header.type_len = header.str_off = static_cast<std::uint32_t>(out_types_.size());
        header.str_len = static_cast<std::uint32_t>(out_strings_.size());
        std::vector<unsigned char> bytes(sizeof header);
        std::memcpy(bytes.data(), &header, sizeof header);
        bytes.insert(bytes.end(), out_types_.begin(), out_types_.end());
        bytes.insert(bytes.end(), out_strings_.begin(), out_strings_.end());
        return ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    }

  private:
    const btf_type &type_at(std::size_t offset) const {
        return *reinterpret_cast<const btf_type *>(types_.data() + offset); // all is aligned to 4
    }

    std::uint32_t put(const btf_type &head, std::span<const unsigned char> tail) {
        const auto *bytes = reinterpret_cast<const unsigned char *>(&head);
        out_types_.insert(out_types_.end(), bytes, bytes + sizeof head);
        out_types_.insert(out_types_.end(), tail.begin(), tail.end());
        return ++out_count_;
    }

    std::uint32_t string(std::uint32_t offset) {
        if (offset == 0)
            return 0;
        auto [known, is_new] = added_strings_.try_emplace(offset, static_cast<std::uint32_t>(out_strings_.size()));
        if (is_new)
            out_strings_.append(name(offset)).push_back('\0');
        return known->second;
    }

    std::span<const unsigned char> types_, strings_;
    std::vector<std::uint32_t> offsets_; // of the types, by number
    std::unordered_map<std::uint32_t, std::uint32_t> added_, added_strings_;
    std::vector<unsigned char> out_types_;
    std::string out_strings_ = std::string(1, '\0');
    std::uint32_t out_count_ = 0, pointer_ = 0;
};

} // namespace

std::optional<KernelTypes> KernelTypes::read(const std::set<std::string> &structs,
                                             const std::set<std::string> &typedefs, int file) {
    const Bytes bytes;
    Extract extract;
    if (!extract.index(bytes.all()))
        return std::nullopt;
    KernelTypes types;
    // Of some 10,000 names few begin like one that is wanted.
    std::array<bool, 1 << 16> beginnings{};
    auto beginning = [](const char *name) {
        return static_cast<unsigned char>(name[0]) << 8 | static_cast<unsigned char>(name[1]);
    };
    for (const std::string &name : structs)
        if (!name.empty())
            beginnings[static_cast<std::size_t>(beginning(name.c_str()))] = true;
    for (std::uint32_t id = 1; id < extract.count(); id++) {
        const btf_type &type = extract.type(id);
        const unsigned kind = BTF_INFO_KIND(type.info);
        if (type.name_off == 0)
            continue;
        if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION) {
            const char *name = extract.name(type.name_off);
            if (name[0] && beginnings[static_cast<std::size_t>(beginning(name))] && structs.contains(name))
                extract.add(id);
        } else if (kind == BTF_KIND_TYPEDEF) {
            const char *name = extract.name(type.name_off);
            if (std::strncmp(name, "btf_trace_", 10) == 0 && typedefs.contains(name))
                types.typedefs_.emplace(name, id);
        }
    }
    return extract.write(file) ? std::optional(std::move(types)) : std::nullopt;
}

std::optional<std::uint32_t> KernelTypes::typedef_id(const std::string &name) const {
    auto found = typedefs_.find(name);
    return found == typedefs_.end() ? std::nullopt : std::optional(found->second);
}

} // namespace retrograde
