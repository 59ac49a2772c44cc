// The main of a harness where there is no libFuzzer: runs it once over each file of the folders
// named. It finds nothing new; it shows that what was found stays repaired.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argument_count, char** arguments) {
    std::size_t files_count = 0;
    for (const char* folder : std::span(arguments, static_cast<std::size_t>(argument_count))
                                  .subspan(argument_count > 0 ? 1 : 0)) {
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
            std::ifstream file(entry.path(), std::ios::binary);
            const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
            const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
            LLVMFuzzerTestOneInput(input.data(), input.size());
            ++files_count;
        }
        if (error) {
            std::fprintf(stderr, "%s: %s\n", folder, error.message().c_str());
            return 1;
        }
    }
    std::printf("%zu inputs replayed\n", files_count);
    return files_count == 0 ? 1 : 0; // an empty corpus proves nothing
}
