#include "l1.h"
