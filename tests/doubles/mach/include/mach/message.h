/* mach/message.h of the fake: of messages only what a call on a port may answer. */
#ifndef FAKE_MACH_MESSAGE_H
#define FAKE_MACH_MESSAGE_H

#include <mach/port.h>

typedef kern_return_t mach_msg_return_t;
typedef natural_t mach_msg_type_number_t;

#define MACH_MSG_SUCCESS 0x00000000
#define MACH_SEND_INVALID_DEST 0x10000003
#define MACH_SEND_INVALID_RIGHT 0x10000007

#endif
