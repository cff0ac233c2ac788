// Failures that a user can do something about: a sentence, and the exit code of the command line.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace retrograde {

// Exit codes, as docs/reference/command-line.md has them.
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_cannot = 3;

class Failure : public std::runtime_error {
  public:
    explicit Failure(const std::string &message, int exit_code = exit_failed)
        : std::runtime_error(message), exit_code_(exit_code) {}

    int exit_code() const { return exit_code_; }

  private:
    int exit_code_;
};

// A failed system call: "what: No such file or directory".
inline Failure system_failure(const std::string &what, int error = errno, int exit_code = exit_failed) {
    return Failure(what + ": " + std::strerror(error), exit_code);
}

} // namespace retrograde
