// retrograde-capture: records the system calls of programs. See `retrograde-capture --help`.

#include "base/clock.h"
#include "base/failure.h"
#include "base/json.h"
#include "capture/backend.h"
#include "capture/session.h"

#include <cstdio>

int main(int argc, char **argv) {
    using namespace retrograde;
    try {
        return run_session(parse_options(argc, argv));
    } catch (const Failure &failure) {
        std::fprintf(stderr, "retrograde-capture: %s\n", failure.what());
        return failure.exit_code();
    }
}
