#include "oracle/report.h"

#include "base/json.h"

namespace retrograde::oracle {

namespace {

// The argument that points closest below an address, or -1.
int nearest_argument(const rg_event &event, std::uint64_t address) {
    constexpr std::uint64_t far = 1 << 20;
    int nearest = -1;
    std::uint64_t distance = far;
    for (int i = 0; i < 6; i++)
        if (event.args[i] <= address && address - event.args[i] < distance) {
            distance = address - event.args[i];
            nearest = i;
        }
    return nearest;
}

void add_counts(JsonWriter &json, const std::map<std::string, std::uint64_t> &counts) {
    json.begin_object();
    for (const auto &[name, count] : counts)
        json.member(name, count);
    json.end_object();
}

} // namespace

void Report::write(const std::string &line) {
    std::fprintf(file_, "%s\n", line.c_str());
    std::fflush(file_);
}

void Report::checked(const std::string &call, std::uint64_t bytes) {
    calls_[call]++;
    compared_ += bytes;
}

void Report::violation(const std::string &program, const std::string &call, const rg_event &event,
                       std::uint64_t address, std::uint64_t length, const std::string &mapping) {
    violations_++;
    JsonWriter json;
    json.begin_object().member("type", "violation").member("program", program).member("pid", event.pid);
    json.member("call", call).key("args").begin_array();
    for (__u64 argument : event.args)
        json.value(std::uint64_t{argument});
    json.end_array().member("result", std::int64_t{event.result}).member("address", address).member("length", length);
    json.key("argument");
    if (int nearest = nearest_argument(event, address); nearest >= 0)
        json.value(nearest).member("offset", std::uint64_t{address - event.args[nearest]});
    else
        json.null();
    json.member("mapping", mapping).end_object();
    write(json.text());
}

std::uint64_t Report::summary(int status) {
    JsonWriter json;
    json.begin_object().member("type", "summary").key("programs").begin_array();
    for (const std::string &name : programs_)
        json.value(name);
    json.end_array().key("calls");
    add_counts(json, calls_);
    json.key("excluded").begin_object();
    for (const auto &[reason, counts] : excluded_) {
        json.key(reason);
        add_counts(json, counts);
    }
    json.end_object().member("bytes_compared", compared_).member("bytes_changed_declared", declared_);
    json.member("violations", violations_).member("exit_status", status).end_object();
    write(json.text());
    return violations_;
}

} // namespace retrograde::oracle
