// The checksum of a page of memory, as rows of the kind CHECKSUM have it.
#pragma once

#include <cstddef>
#include <cstdint>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

namespace retrograde {

// The low half of XXH3_64bits (xxHash).
inline std::uint32_t page_checksum(const void *bytes, std::size_t length) {
    return static_cast<std::uint32_t>(XXH3_64bits(bytes, length));
}

} // namespace retrograde
