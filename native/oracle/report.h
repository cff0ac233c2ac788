// What the oracle found, as JSON lines.
#pragma once

#include "oracle/snapshot.h"
#include "wire.h"

#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>

namespace retrograde::oracle {

class Report {
  public:
    explicit Report(FILE *file) : file_(file) {}

    void program(const std::string &name) { programs_.insert(name); }
    void checked(const std::string &call, std::uint64_t bytes);
    void declared(std::uint64_t bytes) { declared_ += bytes; }
    // A call that was not compared, and why.
    void excluded(const std::string &call, const std::string &reason) { excluded_[reason][call]++; }
    // A byte range that changed though no `out` range holds it.
    void violation(const std::string &program, const std::string &call, const rg_event &event, std::uint64_t address,
                   std::uint64_t length, const std::string &mapping);
    // The last line. Returns the number of violations.
    std::uint64_t summary(int status);

  private:
    using Counts = std::map<std::string, std::uint64_t>;
    void write(const std::string &line);

    FILE *file_;
    std::set<std::string> programs_;
    Counts calls_;
    std::map<std::string, Counts> excluded_;
    std::uint64_t compared_ = 0, declared_ = 0, violations_ = 0;
};

} // namespace retrograde::oracle
