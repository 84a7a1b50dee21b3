// Small drawings on buttons. Each button says in words what it does.
import type { ComponentChildren } from 'preact';

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg viewBox="0 0 16 16" width="15" height="15" fill="currentColor" aria-hidden="true">
      {children}
    </svg>
  );
}

export const PlayIcon = () => <Icon><path d="M4 2.5v11a.6.6 0 0 0 .9.5l8.6-5.5a.6.6 0 0 0 0-1L4.900 2a.6.6 0 0 0-.9.5Z" /></Icon>;
export const PauseIcon = () => <Icon><path d="M3.500 2h3v12h-3zM9.500 2h3v12h-3z" /></Icon>;
export const StepIcon = () => <Icon><path d="M3 2.700v10.600a.5.5 0 0 0 .8.4L10 8.500V14h2.500V2H10v5.500L3.800 2.300a.5.5 0 0 0-.8.4Z" /></Icon>;
export const BackIcon = () => <Icon><path d="M13 2.700v10.600a.5.5 0 0 1-.8.4L6 8.500V14H3.500V2H6v5.500l6.200-5.200a.5.5 0 0 1 .8.4Z" /></Icon>;
export const DeadlineIcon = () => (
  <Icon>
    <path d="M8 1.500A6.500 6.500 0 1 0 14.500 8 6.500 6.500 0 0 0 8 1.500Zm0 11.400A4.900 4.900 0 1 1 12.900 8 4.900 4.900 0 0 1 8 12.900Z" />
    <path d="M7.200 4.500h1.600v3.200l2.300 1.400-.8 1.300-3.100-1.800Z" />
  </Icon>
);
export const CloseIcon = () => <Icon><path d="m3.600 2.500 4.400 4.400 4.400-4.400 1.100 1.100L9.100 8l4.400 4.400-1.100 1.100L8 9.100l-4.400 4.400-1.100-1.100L6.900 8 2.500 3.600Z" /></Icon>;
