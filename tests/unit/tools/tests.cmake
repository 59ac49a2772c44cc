uaoe_unit_test(unit_tools
  SOURCES tools/command_line_test.cpp tools/json_text_test.cpp tools/output_test.cpp tools/round_trips_test.cpp
          tools/serve_reporter_test.cpp tools/target_wait_test.cpp tools/text_test.cpp
  LIBRARIES uaoe_tools)
