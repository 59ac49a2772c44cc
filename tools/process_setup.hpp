// What a process that serves block devices does to itself first, so that it can never wait for its
// own devices.
#pragma once

#include <string>
#include <vector>

namespace uaoe::tools {

// Before any thread is made, because threads inherit it. What is not possible here (a container
// without the capabilities) is said in a line each; serving goes on, with the risk that the README
// tells. `folders` (absolute) stay reachable although they may be on file systems of their own.
// `program`: for messages.
void set_up_process(const std::vector<std::string>& folders, const std::string& program);

} // namespace uaoe::tools
