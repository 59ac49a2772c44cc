uaoe_unit_test(unit_blockdev
  SOURCES blockdev/buffer_arena_test.cpp blockdev/device_use_test.cpp blockdev/fake_ublk_kernel.cpp
          blockdev/nbd_command_test.cpp blockdev/nbd_connection_test.cpp blockdev/nbd_handshake_test.cpp
          blockdev/nbd_leave_test.cpp blockdev/nbd_netlink_test.cpp blockdev/nbd_server_test.cpp
          blockdev/ublk_device_test.cpp blockdev/ublk_translation_test.cpp blockdev/ublk_workload_test.cpp
  LIBRARIES uaoe_blockdev)

# Not a test: a server of RAM behind the real front end, for clients run by hand and by scripts.
add_executable(nbd_memory_server ${CMAKE_CURRENT_LIST_DIR}/nbd_memory_server.cpp)
target_link_libraries(nbd_memory_server PRIVATE uaoe_flags uaoe_blockdev)

# Not a test either: a disk of RAM behind the ublk front end, for tests in a guest.
add_executable(ublk_memory_server ${CMAKE_CURRENT_LIST_DIR}/ublk_memory_server.cpp)
target_link_libraries(ublk_memory_server PRIVATE uaoe_flags uaoe_blockdev)
