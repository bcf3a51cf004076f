// What a board's pins are like, and the types of the module machine that firmware sees them by.
#ifndef PINS_H
#define PINS_H

#include "py/obj.h"

#define PINS (40)

extern const mp_obj_type_t pin_type, adc_type, uart_type;

void pins_init(void);         // after a hard reset
void pins_start(void);        // of each interpreter
void pins_byte(uint8_t byte); // in the interrupt: what comes from the desk
#define ITEM_ADVERTISE (18)
void pins_tell(uint8_t what, uint8_t which, const uint8_t *payload, size_t n); // to the desk
void air_start(void);         // modair.c
void air_heard(const uint8_t *payload, size_t n); // in the interrupt

#endif
