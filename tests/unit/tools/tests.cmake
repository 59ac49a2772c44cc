uaoe_unit_test(unit_tools
  SOURCES tools/aoetools_test.cpp tools/command_line_test.cpp tools/command_line_admin_test.cpp tools/config_file_test.cpp
          tools/config_steps_test.cpp tools/control_protocol_test.cpp tools/daemon_text_test.cpp
          tools/device_links_test.cpp tools/event_followers_test.cpp tools/event_text_test.cpp tools/interface_watch_test.cpp
          tools/json_text_test.cpp tools/log_test.cpp tools/lun_lock_test.cpp
          tools/mask_steps_test.cpp tools/metrics_endpoint_test.cpp tools/metrics_text_test.cpp tools/output_test.cpp tools/progress_test.cpp tools/reserve_steps_test.cpp
          tools/round_trips_test.cpp tools/san_check_test.cpp tools/serve_reporter_test.cpp tools/smart_test.cpp tools/state_store_test.cpp
          tools/table_test.cpp tools/target_wait_test.cpp tools/text_test.cpp tools/top_view_test.cpp
          tools/watchdog_test.cpp
  LIBRARIES uaoe_tools uaoe_model_target)
target_compile_definitions(unit_tools PRIVATE UAOE_GOLDEN_FOLDER="${CMAKE_CURRENT_SOURCE_DIR}/tools/golden")
