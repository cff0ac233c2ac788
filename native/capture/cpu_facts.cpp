#include "capture/cpu_facts.h"
#include "code/cpuid_table.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace retrograde {

namespace {

// What stands behind the first line "NAME : " of /proc/cpuinfo.
std::string cpuinfo(const std::string &name) {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name) && line.find_first_not_of("\t ", name.size()) == line.find(':')) {
            const std::size_t at = line.find_first_not_of(' ', line.find(':') + 1);
            return at == std::string::npos ? "" : line.substr(at);
        }
    return "";
}

#if defined(__x86_64__)
[[gnu::target("xsave")]] std::uint64_t read_xcr0() {
    return _xgetbv(0);
}

// Their CPUs are not all alike in every machine.
CpuidTable answers_on(int cpu) {
    cpu_set_t before, there;
    const bool is_known = cpu >= 0 && ::sched_getaffinity(0, sizeof before, &before) == 0;
    CPU_ZERO(&there);
    if (is_known) {
        CPU_SET(static_cast<unsigned>(cpu), &there);
        ::sched_setaffinity(0, sizeof there, &there);
    }
    const CpuidTable table = CpuidTable::here();
    if (is_known)
        ::sched_setaffinity(0, sizeof before, &before);
    return table;
}

void write_registers_of_architecture(JsonWriter &json, int cpu) {
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE))
        json.member("xcr0", read_xcr0());
    json.member("cpuid", answers_on(cpu).text());
}
#else
void write_registers_of_architecture(JsonWriter &json, int) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1");
    if (std::string midr; file >> midr)
        json.member("midr", std::uint64_t{std::strtoull(midr.c_str(), nullptr, 16)});
    std::uint64_t value;
    asm("mrs %0, ctr_el0" : "=r"(value));
    json.member("ctr", value);
    asm("mrs %0, dczid_el0" : "=r"(value));
    json.member("dczid", value);
}
#endif

} // namespace

void write_cpu_facts(JsonWriter &json, int cpu) {
    const std::string model = cpuinfo("model name"), features = cpuinfo("flags");
    json.key("cpu").begin_object().member("model", model).key("features").begin_array();
    std::istringstream words(features.empty() ? cpuinfo("Features") : features);
    for (std::string word; words >> word;)
        json.value(word);
    json.end_array();
    write_registers_of_architecture(json, cpu);
    json.end_object();
}

} // namespace retrograde
