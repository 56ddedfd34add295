import { BINDERHUB } from '../../sdk/contract/index.ts';
import { registerBinderHubBuild } from './binderhub-build.ts';
import { registerBinderHubService } from './binderhub-service.ts';
import { registerEnvironmentRoutes } from './environment-routes.ts';
import { registerFileRoutes } from './file-routes.ts';
import { registerGuards } from './guards.ts';
import { registerLaunchRoutes } from './launch-routes.ts';
import { registerOperatorRoutes } from './operator-routes.ts';
import { registerPageRoutes } from './page-routes.ts';
import { registerProblemAnswers } from './problem-answers.ts';
import type { App, RouteParts } from './route-parts.ts';

/** Every route of the hub's own origin. */
export const registerRoutes = async (app: App, parts: RouteParts): Promise<void> => {
  // In a cluster figures are read from each pod, by its address.
  registerGuards(app, parts.policy, parts.config.backend === 'kubernetes' ? [BINDERHUB.metrics] : []);
  registerProblemAnswers(app);
  registerOperatorRoutes(app, parts);
  registerLaunchRoutes(app, parts);
  registerEnvironmentRoutes(app, parts);
  registerBinderHubBuild(app, parts);
  registerBinderHubService(app, parts);
  await registerFileRoutes(app, parts);
  await registerPageRoutes(app, parts);
};
