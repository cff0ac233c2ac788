// Writing JSON: enough for the INFO, LOSS and END blocks and the status lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace retrograde {

// Builds one object or array. Strings that are not UTF-8 keep their bytes 0x80 to 0xff as U+DC80 to U+DCFF, which is
// how Python's surrogateescape reads them back.
class JsonWriter {
  public:
    JsonWriter &begin_object() { return open('{'); }
    JsonWriter &end_object() { return close('}'); }
    JsonWriter &begin_array() { return open('['); }
    JsonWriter &end_array() { return close(']'); }
    JsonWriter &key(std::string_view name);
    JsonWriter &value(std::string_view text);
    JsonWriter &value(const char *text) { return value(std::string_view(text)); }
    JsonWriter &value(const std::string &text) { return value(std::string_view(text)); }
    JsonWriter &value(std::uint64_t number) { return raw(std::to_string(number)); }
    JsonWriter &value(std::int64_t number) { return raw(std::to_string(number)); }
    JsonWriter &value(unsigned number) { return raw(std::to_string(number)); }
    JsonWriter &value(int number) { return raw(std::to_string(number)); }
    JsonWriter &value(bool truth) { return raw(truth ? "true" : "false"); }
    JsonWriter &null() { return raw("null"); }
    template <typename T> JsonWriter &member(std::string_view name, const T &content) {
        return key(name).value(content);
    }
    const std::string &text() const { return text_; }

  private:
    JsonWriter &open(char bracket);
    JsonWriter &close(char bracket);
    JsonWriter &raw(std::string_view text);
    void separate();

    std::string text_;
    bool needs_comma_ = false;
};

} // namespace retrograde
