// The type information (BTF) of the running kernel, read as far as the eBPF programs need it. libbpf parses all of it,
// 5 MB, and searches it anew for each type: that is most of the time that loading takes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace retrograde {

class KernelTypes {
  public:
    // Reads /sys/kernel/btf/vmlinux. Nothing where that is not possible or not as this code knows it. Writes a BTF file
    // with those structs and unions and all that they hold by value; its pointers lead nowhere.
    static std::optional<KernelTypes> read(const std::set<std::string> &structs, const std::set<std::string> &typedefs,
                                           int file);

    // The kernel's number of a typedef.
    std::optional<std::uint32_t> typedef_id(const std::string &name) const;

  private:
    std::map<std::string, std::uint32_t> typedefs_;
};

} // namespace retrograde
