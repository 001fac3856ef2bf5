/* The version, in one place. */
#ifndef KEYHOUSE_VERSION_H
#define KEYHOUSE_VERSION_H

#define KEYHOUSE_VERSION "0.1.0"

#endif
