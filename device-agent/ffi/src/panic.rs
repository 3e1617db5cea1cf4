//! What a panic leads to without the standard library. None is known to be reachable.

#[cfg(all(feature = "panic-handler", not(feature = "std"), not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        /// The firmware's own: stops or resets the device.
        fn fg_panic() -> !;
    }
    // SAFETY: it takes nothing, and whoever builds with this feature defines it.
    unsafe { fg_panic() }
}
