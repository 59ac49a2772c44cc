// What a process that serves block devices does to itself first, so that it can never wait for its
// own devices.
#pragma once

#include <string>
#include <vector>

namespace uaoe::tools {

// Before any thread is made, because threads inherit it. What is not possible here (a container
// without the capabilities) is said in a line each; serving goes on, with the risk that the README
// tells. `folders` (absolute) stay reachable although they may be on file systems of their own.
void set_up_process(const std::vector<std::string>& folders);

// The last step, still before any thread is made: of what root may do, only what serving needs is
// left; uaoed(8) says what that is and for what. Modules can be loaded no longer: ublk's is loaded
// here, and nbd's the kernel loads when somebody asks for it.
void give_up_privileges();

} // namespace uaoe::tools
