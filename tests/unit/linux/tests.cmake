uaoe_unit_test(unit_linux
  SOURCES linux/packet_filter_test.cpp linux/ring_test.cpp linux/packet_link_test.cpp linux/port_monitor_test.cpp linux/shard_test.cpp
          linux/busy_poll_test.cpp
          linux/protection_test.cpp linux/privileges_test.cpp
  LIBRARIES uaoe_linux)
set_tests_properties(unit_linux PROPERTIES SKIP_REGULAR_EXPRESSION "SKIP:")

# A program of its own, because what it needs of the kernel may be missing where the rest works.
uaoe_unit_test(unit_xdp SOURCES linux/xdp_link_test.cpp LIBRARIES uaoe_linux)
set_tests_properties(unit_xdp PROPERTIES SKIP_REGULAR_EXPRESSION "SKIP:")
