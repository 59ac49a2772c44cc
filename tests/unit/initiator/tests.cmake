uaoe_unit_test(unit_initiator
  SOURCES initiator/administration_test.cpp initiator/engine_ask_test.cpp initiator/rtt_estimator_test.cpp initiator/congestion_window_test.cpp initiator/splitter_test.cpp
          initiator/command_test.cpp initiator/timer_queue_test.cpp initiator/engine_discovery_test.cpp
          initiator/engine_request_test.cpp initiator/engine_fence_test.cpp initiator/engine_loss_test.cpp
          initiator/engine_pool_test.cpp initiator/engine_known_disk_test.cpp initiator/engine_settle_test.cpp
          initiator/engine_allocation_test.cpp initiator/engine_payload_test.cpp initiator/engine_recovery_test.cpp
          initiator/latency_histogram_test.cpp initiator/loss_detector_test.cpp initiator/payload_search_test.cpp
  LIBRARIES uaoe_initiator)
