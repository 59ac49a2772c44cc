// A child by posix_spawn: it shares nothing with this process, whatever its threads are doing.
#include "blockdev/child_process.hpp"

#include <array>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace uaoe::blockdev {

bool run_child(std::vector<std::string> arguments, std::chrono::milliseconds time_max) {
    std::vector<char*> pointers;
    for (std::string& argument : arguments) {
        pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    const std::array<char*, 1> no_environment{nullptr};
    posix_spawn_file_actions_t actions{};
    posix_spawn_file_actions_init(&actions);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    }
    pid_t child = -1;
    const int error = posix_spawn(&child, arguments.front().c_str(), &actions, nullptr,
                                  pointers.data(), no_environment.data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return false;
    }
    const auto deadline = std::chrono::steady_clock::now() + time_max;
    int status = -1;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() >= deadline) {
            std::thread([child] { waitpid(child, nullptr, 0); }).detach();
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

} // namespace uaoe::blockdev
