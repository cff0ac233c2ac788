// retrograde-replay: replays a recording and says whether it went as recorded. For machines without Python; elsewhere
// `retrograde replay --check` does the same and says more.
#include "replay/session.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <string>
#include <utility>

namespace {

// On the recorded CPU, where it is there: instructions that tell its number tell the same, and whom a stop wakes does
// not have to be woken on another one.
void run_on_one_cpu(const std::string &info) {
    int cpu = ::sched_getcpu();
    if (const std::size_t at = info.find("\"replay\":{\"cpu\":"); at != std::string::npos)
        cpu = std::atoi(info.c_str() + at + 16);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(cpu) % CPU_SETSIZE, &one);
    ::sched_setaffinity(0, sizeof one, &one);
}

} // namespace

int main(int argc, char **argv) {
    using namespace retrograde;
    SessionOptions options;
    std::string folder;
    for (int i = 1; i < argc; i++) {
        if (std::strcmp(argv[i], "--echo") == 0)
            options.echo = true;
        else if (std::strcmp(argv[i], "--checksums") == 0)
            options.checksums = true;
        else if (argv[i][0] != '-' && folder.empty())
            folder = argv[i];
        else
            folder.clear(), i = argc;
    }
    if (folder.empty()) {
        std::fprintf(stderr, "usage: retrograde-replay [--echo] [--checksums] RECORDING-FOLDER\n");
        return exit_usage;
    }
    try {
        EventStream stream(folder);
        run_on_one_cpu(stream.info());
        Session session(std::move(stream), options);
        if (!session.events().damage().empty())
            throw Failure(folder + " cannot be replayed: " + session.events().damage(), exit_cannot);
        RunRequest request;
        request.stops = false;
        session.run(request);
        std::fprintf(stderr, "retrograde-replay: %llu events, no divergence\n",
                     static_cast<unsigned long long>(session.next_event()));
        return 0;
    } catch (const Divergence &divergence) {
        std::fprintf(stderr, "retrograde-replay: divergence at event %llu, thread %u: %s\n%s\n",
                     static_cast<unsigned long long>(divergence.event()), divergence.tid(), divergence.what(),
                     divergence.registers().c_str());
        return divergence.exit_code();
    } catch (const Failure &failure) {
        std::fprintf(stderr, "retrograde-replay: %s\n", failure.what());
        return failure.exit_code();
    }
}
