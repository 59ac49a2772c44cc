// Wires the engine's parts together.
#include "initiator/engine.hpp"
