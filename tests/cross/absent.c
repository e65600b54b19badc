/* tests/cross/absent.c - calls a function that macOS does not have.
 *
 * It must not link: a linker that would take this says nothing by taking ours.
 * With HAS_NONE it does not call it, and must link.
 */
#ifndef HAS_NONE
int heartline_is_not_part_of_macos(void);
#else
static int heartline_is_not_part_of_macos(void)
{
    return 0;
}
#endif

int main(void)
{
    return heartline_is_not_part_of_macos();
}
