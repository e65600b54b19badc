/* tests/spin/scope.pml - the protocol of monitor/record.h, for spin.
 *
 * An owner pushes and pops, a signal handler may push and pop in its midst, the
 * monitor reads the stack and arms a scope, in every order of their steps. Memory
 * is sequentially consistent here, as spin's always is: this shows that the
 * protocol is right, docs/weak-memory.md and tests/litmus that its orders are.
 *
 * A frame is a version (odd: not live) and two words of data, which are equal
 * unless somebody reads them torn. What is true is kept beside it in words that
 * nobody but the assertions reads. spin.sh runs the reading and the arming apart,
 * for they do not meet; and with -D one step is left out or moved: each such mutant
 * must be rejected.
 */
#define FRAMES 2
#define PUSHES 3                      /* of the owner; the handler has one more */
#define SCOPES (PUSHES + 2)           /* names of scopes; 0 = none */
#define STACKS (SCOPES * SCOPES)

/* ---- the record ------------------------------------------------------------- */

byte depth;
byte version[FRAMES] = 1;             /* (times it was pushed) * 2, + 1 = not live */
byte data[FRAMES], data_too[FRAMES];  /* the scope's name, twice: a label of two words */
byte popped_ns;
byte watch;                           /* of frame 0: the version that is watched */
bool end_is_left;

/* ---- what is true ------------------------------------------------------------ */

byte clock;
byte live[FRAMES];                    /* the scopes that are open */
byte true_popped;
bool was_so[STACKS];                  /* since the monitor's reading began */
byte least_popped[STACKS];            /* the sign of life that such a stack had at least */
bool reading;

#define STACK(outer, inner) ((outer) * SCOPES + (inner))

inline note() {
	if
	:: reading && !was_so[STACK(live[0], live[1])] ->
		was_so[STACK(live[0], live[1])] = true;
		least_popped[STACK(live[0], live[1])] = true_popped
	:: else
	fi
}

/* ---- the steps of a push and of a pop ------------------------------------------ */

inline reserve(at, name) {
	d_step { names++; name = names; at = depth }
#ifndef DEPTH_LAST
	depth = at + 1
#endif
}

/* The version is odd already: no frame is abandoned here. */
inline write_first(at, name) {
	data[at] = name
}

inline write_second(at, name) {
#ifdef EVEN_BEFORE_DATA
	d_step { version[at] = (version[at] | 1) + 1; live[at] = name; note() }
#else
	data_too[at] = name
#endif
}

inline publish(at, name) {
#ifdef EVEN_BEFORE_DATA
	data_too[at] = name
#else
	d_step { version[at] = (version[at] | 1) + 1; live[at] = name; note() }
#endif
#ifdef DEPTH_LAST
	;
	depth = at + 1
#endif
}

inline tell_time(at) {
	at = depth - 1;
	if
	:: at > 0 ->
#ifdef POPPED_AFTER_DEPTH
		d_step { clock++; true_popped = clock }
#else
		d_step { clock++; true_popped = clock; popped_ns = clock }
#endif
	:: else
	fi
}

inline end(at) {
#ifdef NEVER_ODD
	d_step { live[at] = 0; note() }
#else
	d_step { version[at] = version[at] | 1; live[at] = 0; note() }
#endif
}

inline look_for_watch(at) {
	if
	:: at == 0 && watch != 0 && watch == (version[0] & 254) -> end_is_left = true
	:: else
	fi
}

inline take_off(at) {
	depth = at
#ifdef POPPED_AFTER_DEPTH
	;
	popped_ns = true_popped
#endif
}

/* ---- the owner, and a handler on its thread --------------------------------------- */

byte names;
bool handler_may = true;              /* it comes once, between any two steps of the owner */
byte mine, index, hers, her_index;

/* They are one thread: the monitor's steps come between a handler's, the owner's do not. */
inline handler() {
	if
	:: handler_may && depth < FRAMES ->
		handler_may = false;
		reserve(her_index, hers);
		write_first(her_index, hers);
		write_second(her_index, hers);
		publish(her_index, hers);
		tell_time(her_index);
		end(her_index);
		look_for_watch(her_index);
		take_off(her_index)
	:: true
	fi
}

inline push() {
	reserve(index, mine);
	handler();
	write_first(index, mine);
	handler();
	write_second(index, mine);
	handler();
	publish(index, mine);
	/* whatever the handler did, this frame is as it was written */
	assert(data[index] == mine && data_too[index] == mine && live[index] == mine);
	assert(depth == index + 1);
	handler()
}

inline pop() {
	tell_time(index);
	handler();
#ifdef WATCH_BEFORE_VERSION
	look_for_watch(index);
	handler();
	end(index);
#else
	end(index);
	handler();
	look_for_watch(index);
#endif
	handler();
	take_off(index);
	handler()
}

active proctype owner() {
	byte pushes;
	do
	:: depth < FRAMES && pushes < PUSHES -> pushes++; push()
	:: depth > 0 -> pop()
	:: pushes == PUSHES && depth == 0 -> break
	od
}

/* ---- the monitor ---------------------------------------------------------------- */

/* Sets `before[i]` to the version of a frame that was read whole, or to 0. */
inline read_frame(i) {
	before[i] = version[i];
	if
	:: before[i] & 1 -> before[i] = 0
	:: else ->
		one = data[i];
		two = data_too[i];
#ifndef ONE_LOOK
		if
		:: version[i] != before[i] -> before[i] = 0
		:: else
		fi;
#endif
		if
		:: before[i] != 0 ->
			assert(one == two);           /* never torn */
			name[i] = one
		:: else
		fi
	fi
}

#ifndef NO_READER
active proctype reader() {
	byte before[FRAMES], name[FRAMES];
	byte one, two, first, second, sign;

	d_step { reading = true; note() };
	first = depth;
	if
	:: first > 0 -> read_frame(0)
	:: else
	fi;
	if
	:: first > 1 -> read_frame(1)
	:: else
	fi;
	second = depth;
	sign = popped_ns;
	if
	:: first == second &&
	   (first < 1 || before[0] != 0) && (first < 2 || before[1] != 0) ->
#ifndef NO_LAST_LOOK
		if
		:: first > 0 && version[0] != before[0] -> goto moved
		:: else
		fi;
		if
		:: first > 1 && version[1] != before[1] -> goto moved
		:: else
		fi;
#endif
		/* a whole stack was the whole stack at one instant of the reading */
		assert(was_so[STACK(name[0], name[1])]);
		assert(sign >= least_popped[STACK(name[0], name[1])])
	:: else
	fi;
moved:
	skip
}
#endif

/* Arms frame 0: a scope that is armed and ends is told, or seen to have ended. */
#ifndef NO_WATCHER
active proctype watcher() {
	byte seen, again;

	seen = version[0];
	if
	:: seen & 1 -> goto over
	:: else
	fi;
#ifdef ARMS_LAST
	again = version[0];
	watch = seen;
#else
	watch = seen;
	again = version[0];
#endif
	if
	:: again != seen -> goto over         /* it has ended, and that is known */
	:: else
	fi;
	(depth == 0 && version[0] != seen);   /* later */
	assert(end_is_left);
over:
	skip
}
#endif
