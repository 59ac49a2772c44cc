# Read by cpack. Tests make a package to upgrade to, of the programs that are built, under a later version.
if(UAOE_PACKAGE_VERSION)
  set(CPACK_PACKAGE_VERSION ${UAOE_PACKAGE_VERSION})
  set(CPACK_DEBIAN_PACKAGE_VERSION ${UAOE_PACKAGE_VERSION})
  set(CPACK_DEBIAN_DBG_PACKAGE_DEPENDS "uaoe (= ${UAOE_PACKAGE_VERSION})")
  set(CPACK_DEBIAN_AOETOOLS_PACKAGE_DEPENDS "uaoe (= ${UAOE_PACKAGE_VERSION})")
endif()
