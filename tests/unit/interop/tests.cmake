uaoe_unit_test(unit_interop
  SOURCES interop/bridge_faults_test.cpp
  LIBRARIES uaoe_bridge_faults)
