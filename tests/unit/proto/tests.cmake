uaoe_unit_test(unit_proto
  SOURCES proto/frame_test.cpp proto/list_frame_test.cpp proto/identify_test.cpp proto/smart_test.cpp proto/text_test.cpp proto/nbd_test.cpp
  LIBRARIES uaoe_proto)
