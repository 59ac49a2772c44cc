uaoe_unit_test(unit_target
  SOURCES target/model_target_test.cpp target/storage_test.cpp target/faults_test.cpp target/vblade_exchanges.cpp
          target/vblade_test.cpp
  LIBRARIES uaoe_model_target)
