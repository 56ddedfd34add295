import { keepHeapSmall } from './settle-memory.ts';

// Imported first by the process, since imports run in their order.
keepHeapSmall();
