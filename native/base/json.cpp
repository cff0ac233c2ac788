#include "base/json.h"

#include <cstdio>

namespace retrograde {

namespace {

// Length of the UTF-8 sequence that begins at text[at], or 0 where there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char lead = byte(at);
    std::size_t length = lead >= 0xf0 && lead <= 0xf4   ? 4
                         : lead >= 0xe0 && lead <= 0xef ? 3
                         : lead >= 0xc2 && lead <= 0xdf ? 2
                                                        : 0;
    if (length == 0 || at + length > text.size())
        return 0;
    for (std::size_t i = at + 1; i < at + length; i++)
        if ((byte(i) & 0xc0) != 0x80)
            return 0;
    // Overlong forms, surrogates and what lies above U+10FFFF.
    unsigned char second = byte(at + 1);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second > 0x8f))
        return 0;
    return length;
}

} // namespace

void JsonWriter::separate() {
    if (needs_comma_)
        text_ += ',';
    needs_comma_ = true;
}

JsonWriter &JsonWriter::open(char bracket) {
    separate();
    text_ += bracket;
    needs_comma_ = false;
    return *this;
}

JsonWriter &JsonWriter::close(char bracket) {
    text_ += bracket;
    needs_comma_ = true;
    return *this;
}

JsonWriter &JsonWriter::raw(std::string_view text) {
    separate();
    text_ += text;
    return *this;
}

JsonWriter &JsonWriter::key(std::string_view name) {
    value(name);
    text_ += ':';
    needs_comma_ = false;
    return *this;
}

JsonWriter &JsonWriter::value(std::string_view text) {
    separate();
    text_ += '"';
    for (std::size_t i = 0; i < text.size();) {
        auto c = static_cast<unsigned char>(text[i]);
        char escaped[8];
        if (c == '"' || c == '\\') {
            text_ += '\\';
            text_ += static_cast<char>(c);
        } else if (c < 0x20 || c == 0x7f) {
            std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
            text_ += escaped;
        } else if (c < 0x80) {
            text_ += static_cast<char>(c);
        } else if (std::size_t length = utf8_length(text, i)) {
            text_ += text.substr(i, length);
            i += length;
            continue;
        } else {
            std::snprintf(escaped, sizeof escaped, "\\udc%02x", c);
            text_ += escaped;
        }
        i++;
    }
    text_ += '"';
    return *this;
}

} // namespace retrograde
