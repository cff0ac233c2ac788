// The program that a replayed process begins as: two pages and nothing else, into which a recorded program is mapped.
#pragma once

#include "replay/tracee.h"

namespace retrograde {

// Starts the stub under ptrace: a child of this process, stopped, its memory empty but for the stub's own pages.
// `images` is a descriptor of the folder of images, which it keeps as descriptor stub_images. Throws Failure.
Tracee start_stub(int images);

// Makes a replayed process begin anew as the stub, as execve does: other processes that share its memory keep it.
void restart_as_stub(Tracee &tracee);

inline constexpr int stub_images = 100, stub_program = 101; // descriptors in a replayed process

} // namespace retrograde
